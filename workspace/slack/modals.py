"""Modals, App Homes and the triggers that open them.

A trigger lives three seconds and works once. A view has a hash that changes with every update. What a person
filled in survives an update wherever block_id and action_id stay the same: Slack keeps the old choice even
when it is no longer among the options.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from workspace.slack.block_ids import with_ids
from workspace.slack.changes import Changes
from workspace.slack.fields import carried_over, untouched
from workspace.slack.nouns import Trigger, View
from workspace.slack.refusal import CallRefused
from workspace.slack.wire import Json

TRIGGER_SECONDS: Final = 3.0
DEEPEST_MODALS: Final = 3  # on top of each other


class Modals:
    def __init__(self, clock: Callable[[], float], new_id: Callable[[str], str], changed: Changes) -> None:
        self.homes: dict[str, View] = {}
        self._clock = clock
        self._new_id = new_id
        self._changed = changed
        self._triggers: dict[str, Trigger] = {}
        self._used: set[str] = set()
        self._stacks: dict[str, list[View]] = {}

    # Triggers

    def issue(self, user: str, view_id: str | None = None) -> str:
        id = f"{self._new_id('')}.{self._new_id('')}".lower()
        trigger = Trigger(id, user, self._clock(), view_id)
        self._triggers[trigger.id] = trigger
        return trigger.id

    def exchange(self, trigger_id: str) -> Trigger:
        trigger = self._triggers.get(trigger_id)
        if trigger is None:
            raise CallRefused("invalid_arguments", ["invalid `trigger_id`"])
        if trigger_id in self._used:
            raise CallRefused("exchanged_trigger_id")
        if self._clock() - trigger.issued > TRIGGER_SECONDS:
            raise CallRefused("expired_trigger_id")
        self._used.add(trigger_id)
        return trigger

    # What the bot does

    def open(self, trigger_id: str, view: Json) -> View:
        self._refuse_second_external_id(view)
        trigger = self.exchange(trigger_id)
        opened = self._made(view, trigger.user)
        self._stacks[trigger.user] = [opened]
        self._changed.touch()
        return opened

    def push(self, trigger_id: str, view: Json) -> View:
        self._refuse_second_external_id(view)
        waiting = self._triggers.get(trigger_id)
        if waiting is not None and waiting.view_id is None:
            raise CallRefused("invalid_arguments", ["`trigger_id` does not come from a modal"])
        return self.put_on_top(self.exchange(trigger_id).user, view)

    def put_on_top(self, user: str, view: Json) -> View:
        stack = self._stacks.setdefault(user, [])
        if len(stack) >= DEEPEST_MODALS:
            raise CallRefused("push_limit_reached")
        under = stack[-1] if stack else None
        pushed = self._made(view, user)
        if under is not None:
            pushed = replace(pushed, root_view_id=under.root_view_id, previous_view_id=under.id)
        stack.append(pushed)
        self._changed.touch()
        return pushed

    def update(self, old: View, view: Json, hash: str | None = None) -> View:
        """Draw a view again. `hash=None` overwrites whatever is there."""
        if hash is not None and hash != old.hash:
            raise CallRefused("hash_conflict")
        self._refuse_second_external_id(view, besides=old)
        fresh = self._made(view, old.user)
        updated = replace(
            fresh,
            id=old.id,
            root_view_id=old.root_view_id,
            previous_view_id=old.previous_view_id,
            state=carried_over(old.state, fresh.state),
        )
        return self.keep(updated)

    def publish(self, user: str, view: Json, hash: str | None = None) -> View:
        old = self.homes.get(user)
        if old is not None:
            return self.update(old, view, hash)
        if hash is not None:
            raise CallRefused("hash_conflict")
        return self.keep(self._made(view, user))

    # What people do

    def close(self, view: View) -> None:
        """Take a modal off the stack, and everything above it."""
        stack = self._stacks[view.user]
        del stack[[each.id for each in stack].index(view.id) :]
        self._changed.touch()

    def clear(self, user: str) -> None:
        self._stacks.pop(user, None)
        self._changed.touch()

    def fill_in(self, view: View, block_id: str, action_id: str, value: Json) -> View:
        block = {**view.state.get(block_id, {}), action_id: value}
        return self.keep(replace(view, state={**view.state, block_id: block}))

    # Looking

    def stack(self, user: str) -> list[View]:
        return list(self._stacks.get(user, ()))

    def find(self, view_id: str | None = None, external_id: str | None = None) -> View | None:
        """An open view by either id; None when there is none, or it was closed."""
        everything = [*self.homes.values(), *(view for stack in self._stacks.values() for view in stack)]
        for view in everything:
            if view.id == view_id or (external_id and view.external_id == external_id):
                return view
        return None

    def keep(self, view: View) -> View:
        if view.type == "home":
            self.homes[view.user] = view
        else:
            stack = self._stacks[view.user]
            stack[[each.id for each in stack].index(view.id)] = view
        self._changed.touch()
        return view

    def _made(self, view: Json, user: str) -> View:
        id = self._new_id("V")
        blocks = with_ids(view["blocks"], self._new_id)
        return View(
            id=id,
            type=view["type"],
            user=user,
            title=_words(view.get("title")) or "",
            blocks=blocks,
            hash=f"{int(self._clock())}.{self._new_id('')}",
            root_view_id=id,
            submit=_words(view.get("submit")),
            close=_words(view.get("close")),
            callback_id=view.get("callback_id", ""),
            private_metadata=view.get("private_metadata", ""),
            external_id=view.get("external_id", ""),
            clear_on_close=bool(view.get("clear_on_close")),
            notify_on_close=bool(view.get("notify_on_close")),
            state=untouched(blocks),
        )

    def _refuse_second_external_id(self, view: Json, besides: View | None = None) -> None:
        same = self.find(external_id=view.get("external_id"))
        if same is not None and (besides is None or same.id != besides.id):
            raise CallRefused("duplicate_external_id")


def _words(text: Json | None) -> str | None:
    return None if text is None else str(text["text"])
