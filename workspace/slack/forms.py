"""What people do with buttons, selects and modals, and what Slack's client checks before it sends."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from workspace.slack import limits, payloads, responses
from workspace.slack.acts import entered, person
from workspace.slack.delivery import Delivered, Deliverer
from workspace.slack.filling import ElementPress, filled, missing, pressed, the_element
from workspace.slack.nouns import Message, User, View
from workspace.slack.refusal import CallRefused, Impossible
from workspace.slack.state import Workspace
from workspace.slack.wire import Json


@dataclass(frozen=True, slots=True)
class ClickReply:
    acked: bool
    after: float = 0.0  # seconds until the acknowledgement
    # not_confirmed: the person pressed the other button of the dialog. Else what went wrong on the way.
    error: str | None = None
    sent: bool = True  # False: Slack's client kept it to itself


@dataclass(frozen=True, slots=True)
class SubmitReply:
    acked: bool
    after: float = 0.0
    response_action: str | None = None  # errors, clear, update, push; None: the modal was closed
    errors: dict[str, str] = field(default_factory=dict)  # block_id → words, the bot's or the client's own
    # incomplete: the client sent nothing. invalid_response: the bot answered what Slack cannot follow.
    error: str | None = None


class Forms:
    def __init__(self, workspace: Workspace, delivery: Deliverer) -> None:
        self._workspace = workspace
        self._delivery = delivery
        # What people chose in a message's selects, which Slack's client remembers for each of them.
        self._chosen: dict[tuple[str, str, str], dict[str, Json]] = {}

    async def click(
        self,
        user: str,
        target: Message | View,
        action_id: str,
        *,
        value: str | None = None,
        selected_option: str | Json | None = None,
        block_id: str | None = None,
        confirm: bool = True,
    ) -> ClickReply:
        """Press a button, or choose in a select, of a message or a view as it stands now.

        `value` tells buttons with one action_id apart, or is what is typed. `confirm=False` presses the other
        button of the confirmation dialog.
        """
        who = person(self._workspace, self._delivery, user)
        current = self._visible(who, target)
        block, element = the_element(current.blocks, action_id, block_id, value)
        if "confirm" in element and not confirm:
            return ClickReply(False, error="not_confirmed", sent=False)
        chosen = selected_option if selected_option is not None else value
        press = pressed(block, element, chosen, self._workspace.next_ts())
        if isinstance(current, Message):
            payload = self._in_message(who, current, press)
        else:
            current = self._kept(current, press)
            if block["type"] == "input" and not block.get("dispatch_action"):
                return ClickReply(False, sent=False)
            payload = self._in_view(who, current, press)
        delivered = await self._delivery.send("interactive", payload)
        return ClickReply(delivered.acked, delivered.after, delivered.error)

    def fill_in(
        self, user: str, view: View, action_id: str, value: Any, *, block_id: str | None = None
    ) -> View:
        """Type or choose in one field of a view without sending anything; the view as it stands then."""
        current = self._top(person(self._workspace, self._delivery, user), view)
        block, element = the_element(current.blocks, action_id, block_id, None)
        return self._workspace.modals.fill_in(current, block["block_id"], action_id, filled(element, value))

    async def submit(self, user: str, view: View, values: Mapping[str, Any] | None = None) -> SubmitReply:
        """Fill in a modal by action_id and press its submit button."""
        who = person(self._workspace, self._delivery, user)
        current = self._top(who, view)
        if current.submit is None:
            raise Impossible("no_submit", "This modal has no submit button.")
        for action_id, value in (values or {}).items():
            current = self.fill_in(user, current, action_id, value)
        incomplete = missing(current)
        if incomplete:
            self._workspace.modals.keep(replace(current, errors=incomplete))
            return SubmitReply(False, errors=incomplete, error="incomplete")
        current = self._workspace.modals.keep(replace(current, errors={}))
        trigger_id = self._workspace.modals.issue(user, current.id)
        payload = payloads.view_submission(self._workspace, who, current, trigger_id=trigger_id)
        delivered = await self._delivery.send("interactive", payload)
        if not delivered.acked:
            return SubmitReply(False, delivered.after, error=delivered.error)
        return self._answered(current, delivered)

    async def close_view(self, user: str, view: View) -> Delivered | None:
        """Press the close button of the modal on top; None when the bot does not want to know."""
        who = person(self._workspace, self._delivery, user)
        current = self._top(who, view)
        if current.clear_on_close:
            self._workspace.modals.clear(user)
        else:
            self._workspace.modals.close(current)
        if not current.notify_on_close:
            return None
        payload = payloads.view_closed(self._workspace, who, current, is_cleared=current.clear_on_close)
        return await self._delivery.send("interactive", payload)

    def _visible(self, user: User, target: Message | View) -> Message | View:
        """The newest form of what this person wants to press something in."""
        if isinstance(target, View):
            return self._top(user, target)
        entered(self._workspace, user, target.channel)
        current = self._workspace.message(target.channel, target.ts)
        if current is None or current.deleted:
            raise Impossible("message_gone", "This message is not there any more.")
        if not self._workspace.sees(current, user.id):
            raise Impossible("not_visible", f"Only somebody else sees this message, not {user.real_name}.")
        return current

    def _top(self, user: User, view: View) -> View:
        current = self._workspace.modals.find(view.id)
        if current is None:
            raise Impossible("view_gone", "This view is not open any more.")
        if current.user != user.id:
            raise Impossible("not_visible", f"Only somebody else sees this view, not {user.real_name}.")
        if current.type == "modal" and self._workspace.views(user.id)[-1].id != current.id:
            raise Impossible("covered", "Another modal lies on top of this one.")
        return current

    def _kept(self, view: View, press: ElementPress) -> View:
        if press.state is None:
            return view
        return self._workspace.modals.fill_in(view, press.block_id, press.action_id, press.state)

    def _in_view(self, user: User, view: View, press: ElementPress) -> Json:
        trigger_id = self._workspace.modals.issue(user.id, view.id)
        return payloads.block_actions_in_view(
            self._workspace, user, view, press.action, trigger_id=trigger_id
        )

    def _in_message(self, user: User, message: Message, press: ElementPress) -> Json:
        chosen = self._chosen.setdefault((user.id, message.channel, message.ts), {})
        if press.state is not None:
            chosen.setdefault(press.block_id, {})[press.action_id] = press.state
        _, response_url = responses.issue(self._workspace, user.id, message.channel, message)
        return payloads.block_actions_in_message(
            self._workspace,
            user,
            message,
            press.action,
            chosen,
            trigger_id=self._workspace.modals.issue(user.id),
            response_url=response_url,
        )

    def _answered(self, view: View, delivered: Delivered) -> SubmitReply:
        body = delivered.body or {}
        action = body.get("response_action")
        try:
            errors = self._follow(view, action, body)
        except CallRefused as refusal:
            return SubmitReply(True, delivered.after, action, error=f"invalid_response: {refusal}")
        return SubmitReply(True, delivered.after, action, errors)

    def _follow(self, view: View, action: str | None, body: Json) -> dict[str, str]:
        """Do what the bot answered to a submission; the errors that it found."""
        modals = self._workspace.modals
        if modals.find(view.id) is None:
            return {}
        match action:
            case None:
                modals.close(view)
            case "clear":
                modals.clear(view.user)
            case "errors":
                errors = _errors_under_fields(view, body.get("errors"))
                modals.keep(replace(modals.find(view.id) or view, errors=errors))
                return errors
            case "update":
                modals.update(modals.find(view.id) or view, self._checked(body.get("view")))
            case "push":
                modals.put_on_top(view.user, self._checked(body.get("view")))
            case _:
                raise CallRefused("unknown response_action")
        return {}

    def _checked(self, view: object) -> Json:
        if not isinstance(view, dict):
            raise CallRefused("no view")
        limits.check_view(view, self._workspace.has_file)
        return view


def _errors_under_fields(view: View, errors: object) -> dict[str, str]:
    """Slack shows an error only under an input block of that view; anything else makes it fail as a whole."""
    fields = {block["block_id"] for block in view.blocks if block["type"] == "input"}
    if not isinstance(errors, dict) or not errors or not set(errors) <= fields:
        raise CallRefused("errors must name input blocks")
    return {str(block_id): str(words) for block_id, words in errors.items()}
