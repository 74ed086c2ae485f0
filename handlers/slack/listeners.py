"""What Slack sends, to who answers it. Each listener records and wakes; nothing here decides.

A listener commits before it acks, and whatever may wait (modals, replies) goes to the background. What
was not accepted, by the door or by the database, is said in the form that fits what came.
"""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.async_context import AsyncBoltContext
from slack_sdk.errors import SlackApiError

from bot.errors import TemporaryError, UserError
from bot.presses import PRESSES, Click, forms_before, veto
from bot.run import Run
from bot.views import practice, reminder
from bot.views.limits import sentence
from bot.views.refusal import refusal, to_card
from handlers import access
from handlers.context import Context
from handlers.door.admission import Turned
from handlers.door.delivery import Delivery, TurnedAway
from handlers.slack import command, duty_presses, home, practising, press_forms, pressing, start_modal
from handlers.slack.command import Asked, OpenForm, TypedLine
from handlers.slack.forms import any_block, block_of
from handlers.slack.press_forms import Pressed
from handlers.slack.pressing import OlderCopy
from handlers.slack.sending import MustWait
from storage.transaction import Repeated, TargetTaken

log = structlog.get_logger()
Body = Mapping[str, Any]
REFUSALS = (UserError, TemporaryError)
TOLD_AT_ONCE_PEOPLE = 20  # by a modal that there was no room: Slack, too, has to answer those


def listen(app: AsyncApp, ctx: Context) -> None:
    """Every command, action, view, shortcut and event that this bot answers."""
    hear = Listeners(ctx)
    app.command(ctx.configuration.command)(hear.command)
    app.message_shortcut("rollback_shortcut")(hear.shortcut)
    for action_id in PRESSES:
        app.action(action_id)(hear.button)
    for action_id in reminder.BUTTONS:
        app.action(action_id)(hear.duty_button)
    for action_id in practice.BUTTONS:
        app.action(action_id)(hear.practice_button)
    for callback_id in (reminder.LATER, reminder.HAND_OVER):
        app.view(callback_id)(hear.duty_form)
    for choice in ("target", "point", "before", "offline"):
        app.action(choice)(hear.choice)
    app.action("send_to_me")(hear.send_to_me)
    app.view("start_rollback")(hear.start)
    for callback_id in sorted({form.callback_id for _, form in forms_before()}):
        app.view(callback_id)(hear.decision)
    app.view(veto.REASON.callback_id)(hear.veto_reason)
    app.event("app_mention")(hear.mention)
    app.event("app_home_opened")(hear.home)
    for event in ("subteam_members_changed", "subteam_updated"):
        app.event(event)(hear.group_changed)
    app.event("channel_id_changed")(hear.channel_changed)
    for event in ("app_uninstalled", "tokens_revoked"):
        app.event(event)(hear.uninstalled)


class Listeners:
    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._telling = 0  # at most TOLD_AT_ONCE_PEOPLE

    # Typing

    async def command(self, ack: AsyncAck, body: Body, context: AsyncBoltContext) -> None:
        try:
            async with _delivery(context) as delivery:
                said = await self._said(
                    body["user_id"], body["channel_id"], body.get("text", ""), None, delivery
                )
                answer = await command.answer(self._ctx, said)
        except Repeated:
            await ack()
            return
        except TargetTaken as taken:
            await ack(
                f"{sentence(str(taken))} {to_card(await pressing.card_url(self._ctx, taken.run_id))}".strip()
            )
            return
        except REFUSALS as reason:
            await ack(sentence(str(reason)))
            return
        if isinstance(answer, OpenForm):
            await ack()
            self._background(self._open_form(body["trigger_id"], said, answer))
        elif isinstance(answer, Asked):
            await ack(_asked(answer.run))
        else:
            await ack(text=answer.text, blocks=list(answer.blocks) or None)

    async def _said(
        self, user: str, channel: str, text: str, thread: str | None, delivery: Delivery
    ) -> TypedLine:
        person = await self._ctx.directory.person(user, age=60.0)
        return TypedLine(person, channel, text, thread, delivery)

    async def _open_form(self, trigger_id: str, said: TypedLine, form: OpenForm) -> None:
        try:
            await start_modal.open_modal(
                self._ctx, trigger_id, said.person, said.channel, form.target, said.thread, form.reason
            )
        except (SlackApiError, MustWait) as problem:
            log.warning("modal", error=str(problem))
            again = self._ctx.configuration.command
            words = f"Slack did not let me open the form. Type `{again}` again, or `{again} help`."
            await self._reply(said.channel, said.person.id, said.thread, words)

    async def mention(self, ack: AsyncAck, body: Body, context: AsyncBoltContext) -> None:
        event = body["event"]
        user, channel = event["user"], event["channel"]
        me = (body.get("authorizations") or [{}])[0].get("user_id", "")
        text = event.get("text", "").partition(f"<@{me}>")[2]
        thread = event.get("thread_ts") or event["ts"]
        try:
            async with _delivery(context) as delivery:
                said = await self._said(user, channel, text, thread, delivery)
                answer = await command.answer(self._ctx, said)
        except Repeated:
            await ack()
            return
        except REFUSALS as reason:
            await ack()
            if not _no_room(reason):  # Slack would only send it again, and a reply costs more than it did
                self._background(self._reply(channel, user, thread, sentence(str(reason))))
            return
        await ack()
        if isinstance(answer, OpenForm):
            self._background(self._reply(channel, user, thread, _how_to_ask(answer.target)))
        elif not isinstance(answer, Asked):  # a request answers itself: the link to its card follows here
            self._background(self._reply(channel, user, thread, answer.text, list(answer.blocks)))

    async def _reply(
        self, channel: str, user: str, thread: str | None, text: str, blocks: list[Any] | None = None
    ) -> None:
        """Only for the one who typed; a convenience, never the record of anything."""
        try:
            await self._ctx.sender.call(
                "chat.postEphemeral",
                channel,
                channel=channel,
                user=user,
                text=text,
                blocks=blocks or None,
                thread_ts=thread,
            )
        except (SlackApiError, MustWait) as problem:
            log.warning("reply", error=str(problem))

    async def shortcut(self, ack: AsyncAck, body: Body, context: AsyncBoltContext) -> None:
        message = body["message"]
        thread = message.get("thread_ts") or message["ts"]
        try:
            async with _delivery(context) as delivery:
                said = await self._said(body["user"]["id"], body["channel"]["id"], "", thread, delivery)
                if closed := access.why_not(access.FROM_SLACK[access.way_of(body)], said.person):
                    raise UserError(closed)
                await pressing.refuse_if_read_only(self._ctx, said.person, "form")
        except REFUSALS as reason:
            await self._not_done(ack, body, reason)
            return
        await ack()
        self._background(self._open_form(body["trigger_id"], said, OpenForm(None)))

    # Pressing

    async def button(self, ack: AsyncAck, body: Body, context: AsyncBoltContext) -> None:
        await self._do(ack, body, context, self._pressed)

    async def _do(
        self,
        ack: AsyncAck,
        body: Body,
        context: AsyncBoltContext,
        press: Callable[[Body, Delivery], Awaitable[Coroutine[Any, Any, None] | None]],
    ) -> None:
        try:
            async with _delivery(context) as delivery:
                follows = await press(body, delivery)
        except Repeated:
            await ack()
        except REFUSALS as reason:
            await self._not_done(ack, body, reason)
        else:
            await ack()
            if follows is not None:
                self._background(follows)

    async def duty_button(self, ack: AsyncAck, body: Body, context: AsyncBoltContext) -> None:
        await self._do(ack, body, context, self._duty_pressed)

    async def _duty_pressed(self, body: Body, delivery: Delivery) -> Coroutine[Any, Any, None] | None:
        """Records what was pressed on a reminder. What is left to do after the ack, if anything."""
        action_id, value = body["actions"][0]["action_id"], str(body["actions"][0].get("value", ""))
        person = await self._ctx.directory.person(body["user"]["id"])
        await pressing.refuse_if_read_only(self._ctx, person, action_id)
        duty = await duty_presses.duty_of(self._ctx, value)
        place = body.get("container", {})
        at_home = place.get("type") == "view"
        channel = str(place.get("channel_id") or _channel_of(body) or "")
        if at_home:
            channel = await duty_presses.channel_of(self._ctx, duty)
        else:
            await duty_presses.refuse_elsewhere(self._ctx, duty, channel, place.get("message_ts"))
        if action_id in {reminder.START_BUTTON, reminder.BACKUP_BUTTON}:
            if action_id == reminder.START_BUTTON:
                await duty_presses.start(self._ctx, duty, person, channel, delivery)
            else:
                await duty_presses.take_backup(self._ctx, duty, person, delivery)
            return home.publish(self._ctx, body["user"]["id"]) if at_home else None
        view = await duty_presses.form(self._ctx, action_id, duty, person)
        return press_forms.show(self._ctx, body["trigger_id"], view)

    async def practice_button(self, ack: AsyncAck, body: Body, context: AsyncBoltContext) -> None:
        await self._do(ack, body, context, self._practised)

    async def _practised(self, body: Body, delivery: Delivery) -> None:
        pressed = body["actions"][0]
        person = await self._ctx.directory.person(body["user"]["id"])
        await pressing.refuse_if_read_only(self._ctx, person, pressed["action_id"])
        await practising.press(
            self._ctx, pressed["action_id"], str(pressed.get("value", "")), person, delivery
        )

    async def duty_form(self, ack: AsyncAck, body: Body, context: AsyncBoltContext) -> None:
        view = body["view"]
        try:
            async with _delivery(context) as delivery:
                person = await self._ctx.directory.person(body["user"]["id"])
                await pressing.refuse_if_read_only(self._ctx, person, str(view["callback_id"]))
                await duty_presses.submit(self._ctx, person, view, delivery)
            await ack()
        except Repeated:
            await ack()
        except REFUSALS as reason:
            await self._in_the_form(ack, any_block(view), reason)

    async def _pressed(self, body: Body, delivery: Delivery) -> Coroutine[Any, Any, None] | None:
        """Records what was pressed. What is left to do after the ack, if anything."""
        action = body["actions"][0]
        press = PRESSES[action["action_id"]]
        person = await self._ctx.directory.person(body["user"]["id"])
        if not press.for_everybody:
            await pressing.refuse_if_read_only(self._ctx, person, press.action_id)
        card, draw = await pressing.card_of(self._ctx, str(action.get("value", "")))
        place = body.get("container", {})
        channel = place.get("channel_id") or _channel_of(body)
        await pressing.stands_there(self._ctx, card, channel, place.get("message_ts"))
        run = await pressing.load(self._ctx, card.run_id)
        click = Click(stamp=pressing.drawn_for(run, card.key, draw))
        pressed = Pressed(press, run, person, card, body["trigger_id"])
        return await press_forms.follow(self._ctx, pressed, click, delivery)

    async def _not_done(self, ack: AsyncAck, body: Body, reason: Exception) -> None:
        """Said by a small modal; when even that is too much, by Slack's own warning: it was not acked."""
        if _no_room(reason) and self._telling >= TOLD_AT_ONCE_PEOPLE:
            return
        await ack()
        self._telling += 1
        self._background(self._tell(body, reason))

    async def _tell(self, body: Body, reason: Exception) -> None:
        try:
            await self._refuse(body, reason)
        finally:
            self._telling -= 1

    async def _refuse(self, body: Body, reason: Exception) -> None:
        """A small modal; an ephemeral only when that fails."""
        url = reason.url if isinstance(reason, OlderCopy) else None
        try:
            view = refusal("Not done", str(reason), url=url)
            await self._ctx.sender.call("views.open", trigger_id=body["trigger_id"], view=view)
        except (SlackApiError, MustWait):
            channel = _channel_of(body)
            if channel:
                words = f"{sentence(str(reason))} {to_card(url)}".strip()
                await self._reply(channel, body["user"]["id"], None, words)

    async def decision(self, ack: AsyncAck, body: Body, context: AsyncBoltContext) -> None:
        """A form that a button opened was sent."""
        view = body["view"]
        try:
            async with _delivery(context) as delivery:
                person = await self._ctx.directory.person(body["user"]["id"])
                await pressing.refuse_if_read_only(self._ctx, person, str(view["callback_id"]))
                await press_forms.submit(self._ctx, person, view, delivery)
            await ack()
        except Repeated:
            await ack()
        except REFUSALS as reason:
            # what can be sent again stays open: a mistyped code, sentences, and what there was no time for
            kept = block_of(view, "plan_code") or block_of(view, "deviation")
            block = any_block(view) if isinstance(reason, TurnedAway) else kept
            await self._in_the_form(ack, block, reason)

    async def _in_the_form(self, ack: AsyncAck, block: str | None, reason: Exception) -> None:
        """`block` None: what was typed is of no more use, the form goes."""
        if block is not None:
            await ack(response_action="errors", errors={block: str(reason)})
        else:
            await ack(response_action="update", view=refusal("Not done", str(reason)))

    async def veto_reason(self, ack: AsyncAck, body: Body, context: AsyncBoltContext) -> None:
        try:
            async with _delivery(context) as delivery:
                person = await self._ctx.directory.person(body["user"]["id"])
                await press_forms.keep_reason(self._ctx, person, body["view"], delivery)
        except TurnedAway as reason:
            await self._in_the_form(ack, any_block(body["view"]), reason)
            return
        except (UserError, TemporaryError, Repeated) as problem:
            log.info("veto reason", why=str(problem))
        await ack()

    # The start modal

    async def choice(self, ack: AsyncAck, body: Body, context: AsyncBoltContext) -> None:
        if _delivery(context).turned is not None:
            return  # not acked: Slack says so beside the choice, and the form can still be sent
        await ack()
        self._background(self._choose(body))

    async def _choose(self, body: Body) -> None:
        try:
            person = await self._ctx.directory.person(body["user"]["id"], age=60.0)
        except TemporaryError as reason:
            log.info("choice", why=str(reason))  # the form stays as it is; its submission is looked at again
            return
        await start_modal.choose(self._ctx, person, body["view"])

    async def send_to_me(self, ack: AsyncAck, body: Body, context: AsyncBoltContext) -> None:
        try:
            async with _delivery(context):
                await start_modal.send_later(self._ctx, body["user"]["id"], body["view"]["id"])
        except REFUSALS:
            return  # not acked: Slack says so beside the button
        await ack()

    async def start(self, ack: AsyncAck, body: Body, context: AsyncBoltContext) -> None:
        view = body["view"]
        try:
            async with _delivery(context) as delivery:
                person = await self._ctx.directory.person(body["user"]["id"])
                await pressing.refuse_if_read_only(self._ctx, person, str(view["callback_id"]))
                await start_modal.submit(self._ctx, person, view, delivery)
            await ack()
        except Repeated:
            await ack()
        except REFUSALS as reason:
            await ack(**start_modal.errors(view, str(reason)))

    # Events

    async def home(self, ack: AsyncAck, body: Body, context: AsyncBoltContext) -> None:
        await ack()
        if body["event"].get("tab") == "home" and _delivery(context).turned is None:
            self._background(self._home(body["event"]["user"]))

    async def _home(self, user: str) -> None:
        try:
            person = await self._ctx.directory.person(user, age=60.0)
        except TemporaryError as reason:
            log.info("home", why=str(reason))  # it is drawn when it is opened again
            return
        if access.why_not(access.FROM_SLACK["event app_home_opened"], person) is None:
            await home.publish(self._ctx, user)

    async def group_changed(self, ack: AsyncAck, body: Body) -> None:
        event = body["event"]
        self._ctx.directory.forget_group(
            event.get("subteam_id") or (event.get("subteam") or {}).get("id", "")
        )
        await ack()

    async def channel_changed(self, ack: AsyncAck, body: Body) -> None:
        self._ctx.channels.forget(body["event"]["old_channel_id"])
        await ack()

    async def uninstalled(self, ack: AsyncAck, body: Body) -> None:
        log.error("uninstalled", why="the app was removed from the workspace or its tokens were revoked")
        await ack()

    def _background(self, work: Any) -> None:
        self._ctx.background.start(work)


def _channel_of(body: Body) -> str | None:
    """None: it was pressed where there is no channel, in a modal for instance."""
    channel: Body = body.get("channel") or {}
    return channel.get("id")


def _delivery(context: AsyncBoltContext) -> Delivery:
    """The door's own; whatever comes by another way fails here."""
    delivery = context["delivery"]
    assert isinstance(delivery, Delivery)
    return delivery


def _no_room(reason: Exception) -> bool:
    return isinstance(reason, TurnedAway) and reason.why in {Turned.FULL, Turned.QUOTA}


def _asked(run: Run) -> str:
    follows = "nothing live is touched" if run.is_drill else "nothing runs until somebody else approves"
    return (
        f"{run.id}: reading `{run.request.target}`. Its card follows in <#{run.request.channel}>, unless the "
        f"restore point cannot be found; {follows}."
    )


def _how_to_ask(target: str | None) -> str:
    """A mention carries no trigger, so it cannot open the form."""
    points = f"`@rollback points {target}` lists where it can go; " if target else ""
    return f"{points}`@rollback {target or 'TARGET'} to POINT because REASON` asks for it."
