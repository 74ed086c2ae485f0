// What people can do on the page, and the few facts that its parts ask for while they are drawn.

import { readState } from "./elements.js";
import { isReply } from "./messages.js";
import { draftKey, readKey, remember } from "./opened.js";

const SLACKBOT = "USLACKBOT";
const SHORTCUTS = [{ callback_id: "rollback_shortcut", name: "Roll back…" }]; // as in manifest.yml
const STRANGER = { id: "", name: "unknown", initials: "?", color: "#616061" };

/** Apps go by their full name, people by the one that they chose. */
export const asShown = (user) => (user.is_bot ? { ...user, name: user.real_name || user.name } : user);

const isPerson = (user) => !user.is_bot && user.id !== SLACKBOT;

/** The viewer's direct messages with the app; undefined when there are none yet. */
export const appRoom = ({ channels, users }) =>
  channels.find((channel) => channel.is_im && users.find((user) => user.id === channel.with)?.is_bot);

/** `page` is app.js's {ui, state, directory, draw, stream}, `sending` its Sending. */
export function makeActs(page, sending) {
  const { ui } = page;
  const at = () => page.state;
  const act = { ...facts(page), ...contexts(page, sending), ...places(page, sending), ...stripActs(page) };

  return Object.assign(act, {
    async say(channel, text, thread) {
      const { ok } = await sending.post("/ui/command", {
        channel,
        text,
        ...(thread && { thread_ts: thread }),
      });
      if (!thread) page.draw({ toEnd: true });
      return ok;
    },

    shortcut: (message, callback) =>
      sending.post("/ui/shortcut", { channel: ui.channel, ts: message.ts, callback_id: callback }),

    async submit(view, entered) {
      const missing = emptyInputs(view, entered);
      ui.errors.set(view.id, { hash: view.hash, errors: missing });
      if (Object.keys(missing).length === 0) {
        ui.submitting.add(view.id);
        page.draw();
        const { ok, errors } = await sending.post("/ui/submit", { view_id: view.id, state: entered });
        ui.submitting.delete(view.id);
        if (!ok && errors) ui.errors.set(view.id, { hash: view.hash, errors });
      }
      page.draw();
      const wrong = elementOf(view.id)?.querySelector("[aria-invalid]");
      wrong?.focus({ preventScroll: true });
      wrong?.closest(".block").scrollIntoView({ block: "center" });
    },

    close: (view) => sending.post("/ui/close", { view_id: view.id }),

    async breakIt(what) {
      ui.breaking.add(what);
      ui.stripOpen = false; // on a narrow screen: what happens is to be seen below
      page.draw();
      const { channel, user } = at().story.breaks.find((it) => it.what === what) ?? {};
      if (channel) act.openChannel(channel); // where to look
      if (user) act.become(user); // as the person whom it concerns
      const { ok } = await sending.post("/ui/break", { what });
      ui.breaking.delete(what);
      if (ok && what === "reset") beginAgain(page, act);
      page.draw();
    },
  });
}

/** What drawing asks for. */
function facts(page) {
  const { ui } = page;
  return {
    person: (id) =>
      page.state.users.find((user) => user.id === id) ?? { ...STRANGER, name: id || STRANGER.name },
    people: () => page.state.users.filter(isPerson),
    bot: () => page.state.users.find((user) => user.is_bot && user.id !== SLACKBOT),
    shortcuts: () => SHORTCUTS,
    isSubmitting: (id) => ui.submitting.has(id),

    unread(channel) {
      if (!channel.member || (channel.id === ui.channel && !ui.home)) return 0;
      const seen = ui.read.get(readKey(page.state.me, channel.id));
      if (seen === undefined) return channel.unread ?? 0;
      const isNew = (message) => message.ts > seen && message.user !== page.state.me && !isReply(message);
      return (page.state.messages[channel.id] ?? []).filter(isNew).length;
    },

    draftKey: (channel, thread) => `${draftKey(ui, channel, thread)}|${ui.prefills}`,
    draft(channel, thread) {
      const key = draftKey(ui, channel, thread);
      return { get: () => ui.drafts.get(key) ?? "", set: (text) => ui.drafts.set(key, text) };
    },

    /** What a message's looks depend on besides itself. */
    around: (message) => [
      page.state.me,
      ui.channel,
      page.directory.version,
      [...ui.busy].filter((key) => key.startsWith(`${message.ts}|`)),
    ],

    errorsOf(view) {
      const own = ui.errors.get(view.id);
      return own?.hash === view.hash ? { ...view.errors, ...own.errors } : (view.errors ?? {});
    },
  };
}

/** What blocks need to be drawn with (elements.js tells), in a message and in a view. */
function contexts(page, sending) {
  const names = {
    user: (id) => page.state.users.find((user) => user.id === id)?.name ?? null,
    channel: (id) => page.state.channels.find((channel) => channel.id === id)?.name ?? null,
    group: (id) => page.state.usergroups?.find((group) => group.id === id)?.handle ?? null,
  };
  const common = () => ({
    names,
    users: page.state.users.filter(isPerson),
    channels: page.state.channels,
    isBusy: (key) => page.ui.busy.has(key),
  });
  return {
    messageContext(message) {
      const where = { channel: page.ui.channel, ts: message.ts };
      const click = (it, fields, blockId) => {
        const body = () => ({ ...where, block_id: blockId ?? "", action_id: it.action_id, ...fields });
        return sending.press(message.ts, it, blockId, "/ui/click", body, names);
      };
      return { ...common(), where: "message", scope: message.ts, act: click };
    },

    viewContext(view, errors) {
      const values = view.state?.values ?? view.state ?? {};
      const click = (it, fields, blockId) => {
        const pressed = { view_id: view.id, block_id: blockId ?? "", action_id: it.action_id, ...fields };
        const body = () => ({ ...pressed, state: readState(elementOf(view.id)) });
        return sending.press(view.id, it, blockId, "/ui/view_action", body, names);
      };
      return {
        ...common(),
        where: "view",
        scope: view.id,
        act: click,
        known: (block, action) => values[block]?.[action],
        errorOf: (block) => errors[block],
      };
    },
  };
}

/** Going from one place, or person, to another. */
function places(page, sending) {
  const { ui } = page;
  return {
    become(user) {
      if (user === ui.me) return;
      ui.confirm?.answer(false);
      remember(ui, user);
      ui.thread = null;
      page.stream.follow(user);
      if (ui.home) sending.post("/ui/home", { user });
      page.draw();
    },

    openChannel(id) {
      Object.assign(ui, { channel: id, home: false, thread: null, panel: "slack" });
      page.draw({ toEnd: true });
    },

    openHome() {
      Object.assign(ui, {
        home: true,
        thread: null,
        panel: "slack",
        channel: appRoom(page.state)?.id ?? null,
      });
      sending.post("/ui/home", {});
      page.draw();
    },

    openThread(ts) {
      ui.thread = ts;
      page.draw();
      if (ts) document.querySelector("#thread textarea")?.focus();
    },

    openPanel(name) {
      ui.panel = name;
      page.draw({ toEnd: name === "slack" });
    },

    togglePhone() {
      Object.assign(ui, { phone: !ui.phone, panel: "slack" });
      page.draw({ toEnd: true });
    },
  };
}

function stripActs(page) {
  const { ui } = page;
  return {
    showStrip(name) {
      Object.assign(ui, { strip: name, stripOpen: true });
      page.draw();
    },
    foldStrip() {
      ui.stripOpen = !ui.stripOpen;
      page.draw();
    },
  };
}

function beginAgain(page, act) {
  const { ui } = page;
  ui.strip = null;
  ui.drafts.clear();
  if (page.state.story.channel) act.openChannel(page.state.story.channel);
  act.become(act.people()[0]?.id);
  prefill(ui, page.state.story);
}

/** Whether no step of a story is done yet. */
export const isAtBeginning = (story) => story.steps.length > 0 && !story.steps.some((step) => step.done);

/** Put the story's first command into the composer, unless something stands there or the story is past it. */
export function prefill(ui, story) {
  const key = draftKey(ui, story.channel, "");
  if (!story.prefill || !isAtBeginning(story) || ui.drafts.get(key)) return;
  ui.prefills += 1;
  ui.drafts.set(key, story.prefill);
}

const elementOf = (viewId) =>
  document.querySelector(`[data-view="${CSS.escape(viewId)}"], [data-home="${CSS.escape(viewId)}"]`);

/** block_id → words, for each input that must not be empty and is. */
function emptyInputs(view, entered) {
  const missing = {};
  for (const block of view.blocks ?? []) {
    if (block.type !== "input" || block.optional) continue;
    const { type, ...fields } = entered[block.block_id]?.[block.element?.action_id] ?? {};
    const [value] = Object.values(fields);
    const isEmpty = value === null || (Array.isArray(value) && value.length === 0);
    if (isEmpty) missing[block.block_id] = "Please fill this in.";
  }
  return missing;
}
