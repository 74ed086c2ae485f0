// The page of the local workspace: holds the last state that the server sent and what this reader has open, and
// draws both. The server knows everything about Slack; the page knows only which channel, tab and draft is shown.

import { drawFoot, drawHead, drawHome, drawThreadPane } from "./conversation.js";
import { h, patch } from "./dom.js";
import { busyKey, readState } from "./elements.js";
import { Guard } from "./guard.js";
import { drawStream, isReply } from "./messages.js";
import { DialogFocus, drawOverlay } from "./modal.js";
import { post, Stream } from "./server.js";
import { drawSidebar } from "./sidebar.js";
import { drawStory } from "./story.js";
import { drawEvents, drawWorld, statusOf } from "./world.js";

const TOAST_MS = 8000; // at least
const READING_MS = 80; // a character
const NEAR_END_PX = 48; // this close to the end counts as "at the end"
const SLACKBOT = "USLACKBOT"; // Slack itself says that it is no bot
const SHORTCUTS = [{ callback_id: "rollback_shortcut", name: "Roll back…" }]; // as in manifest.yml
const NO_STORY = { title: "", steps: [], breaks: [], prefill: "", channel: null };
const STRANGER = { id: "", name: "unknown", initials: "?", color: "#616061" };

const $ = (id) => document.getElementById(id);

let state = null; // null: the server has not answered yet
let directory = 0; // counts how often the names of people, groups and channels changed
const ui = {
  me: sessionStorage.getItem("me"), // per tab, so that two tabs can be two people; null: the server chooses
  channel: null,
  home: false,
  thread: null,
  phone: false,
  panel: "slack", // on a narrow screen: channels | slack | world | events
  strip: null, // null: follow the story
  stripOpen: false,
  linked: false,
  confirm: null,
  busy: new Set(),
  submitting: new Set(),
  breaking: new Set(),
  errors: new Map(), // view id → {hash, errors}
  drafts: new Map(),
  prefills: 0, // each filling of the composer by the story makes a new box
  read: new Map(), // "person|channel" → ts of the newest message seen
  toasts: [],
};

const stream = new Stream(arrived, (isUp) => {
  if (ui.linked === isUp) return;
  ui.linked = isUp;
  draw();
});
const guard = new Guard($("slack"));
const focus = new DialogFocus($("overlay"), () => document.querySelector("#foot textarea")?.focus({ preventScroll: true }));

// --- what arrives -----------------------------------------------------------------------------------------------

function arrived(next) {
  const wasBeginning = state !== null && atBeginning(state);
  if (namesIn(next) !== namesIn(state)) directory += 1;
  state = { ...next, story: { ...NO_STORY, ...next.story }, users: next.users.map(asShown) };
  if (ui.me !== state.me) remember(state.me);
  if (!ui.home && !state.channels.some((channel) => channel.id === ui.channel)) ui.channel = state.story.channel ?? state.channels[0]?.id;
  if (atBeginning(state) && !wasBeginning) prefill(state.story);
  draw();
}

const namesIn = (it) => JSON.stringify([it?.users, it?.usergroups, it?.channels.map(({ id, name }) => [id, name])]);

/** Apps go by their full name, people by the one that they chose. */
const asShown = (user) => (user.is_bot || user.id === SLACKBOT ? { ...user, name: user.real_name || user.name } : user);
const atBeginning = ({ story }) => Boolean(story.steps?.length) && !story.steps.some((step) => step.done);

function prefill(story) {
  if (!story.prefill || ui.drafts.get(draftKeyOf(story.channel, ""))) return;
  ui.prefills += 1;
  ui.drafts.set(draftKeyOf(story.channel, ""), story.prefill);
}

function remember(user) {
  ui.me = user;
  sessionStorage.setItem("me", user);
}

// --- what people do ---------------------------------------------------------------------------------------------

const draftKeyOf = (channel, thread) => `${ui.me}|${channel}|${thread}`;
const readKeyOf = (channel) => `${state.me}|${channel}`;
const newestOf = (channel) => (state.messages[channel] ?? []).at(-1)?.ts ?? "0";

const act = {
  person: (id) => state.users.find((user) => user.id === id) ?? { ...STRANGER, name: id || STRANGER.name },
  people: () => state.users.filter((user) => !user.is_bot && user.id !== SLACKBOT),
  bot: () => state.users.find((user) => user.is_bot),
  shortcuts: () => SHORTCUTS,

  become(user) {
    if (user === ui.me) return;
    ui.confirm?.answer(false);
    remember(user);
    ui.thread = null;
    stream.follow(user);
    if (ui.home) post("/ui/home", { user });
    draw();
  },

  openChannel(id) {
    ui.channel = id;
    ui.home = false;
    ui.thread = null;
    ui.panel = "slack";
    draw({ toEnd: true });
  },

  openHome() {
    const room = state.channels.find((channel) => channel.is_im && channel.with === act.bot()?.id);
    Object.assign(ui, { home: true, thread: null, panel: "slack", channel: room?.id ?? null });
    tell(post("/ui/home", { user: state.me }));
    draw();
  },

  openThread(ts) {
    ui.thread = ts;
    draw();
    if (ts) document.querySelector("#thread textarea")?.focus();
  },

  unread(channel) {
    if (channel.id === ui.channel && !ui.home) return 0;
    const seen = ui.read.get(readKeyOf(channel.id));
    if (seen === undefined) return channel.unread ?? 0;
    return (state.messages[channel.id] ?? []).filter((message) => message.ts > seen && message.user !== state.me && !isReply(message)).length;
  },

  draftKey: (channel, thread) => `${draftKeyOf(channel, thread)}|${ui.prefills}`,
  draft(channel, thread) {
    const key = draftKeyOf(channel, thread);
    return { get: () => ui.drafts.get(key) ?? "", set: (text) => ui.drafts.set(key, text) };
  },

  async say(channel, text, thread) {
    const body = { user: state.me, channel, text, ...(thread ? { thread_ts: thread } : {}) };
    const { ok } = await tell(post("/ui/command", body));
    scrollToEnd($("messages"));
    return ok;
  },

  shortcut: (message, callback) =>
    tell(post("/ui/shortcut", { user: state.me, channel: ui.channel, ts: message.ts, callback_id: callback })),

  /** What a message's looks depend on besides itself. */
  around: (message) => [state.me, ui.channel, directory, [...ui.busy].filter((key) => key.startsWith(`${message.ts}|`))],

  messageContext(message) {
    const channel = ui.channel;
    const click = (it, fields, blockId) =>
      press(message.ts, it, blockId, "/ui/click", () => ({ channel, ts: message.ts, block_id: blockId ?? "", action_id: it.action_id, ...fields }));
    return { ...common(), where: "message", scope: message.ts, act: click };
  },

  viewContext(view, errors) {
    const values = view.state?.values ?? view.state ?? {};
    const click = (it, fields, blockId) =>
      press(view.id, it, blockId, "/ui/view_action", () => ({
        view_id: view.id, block_id: blockId ?? "", action_id: it.action_id, ...fields, state: readState(elementOf(view.id)),
      }));
    return {
      ...common(), where: "view", scope: view.id, act: click,
      known: (block, action) => values[block]?.[action],
      errorOf: (block) => errors[block],
    };
  },

  errorsOf(view) {
    const own = ui.errors.get(view.id);
    return own?.hash === view.hash ? { ...view.errors, ...own.errors } : (view.errors ?? {});
  },
  isSubmitting: (id) => ui.submitting.has(id),

  async submit(view, entered) {
    const missing = emptyInputs(view, entered);
    ui.errors.set(view.id, { hash: view.hash, errors: missing });
    if (Object.keys(missing).length === 0) {
      ui.submitting.add(view.id);
      draw();
      const { ok, errors } = await tell(post("/ui/submit", { user: state.me, view_id: view.id, state: entered }));
      ui.submitting.delete(view.id);
      if (!ok && errors) ui.errors.set(view.id, { hash: view.hash, errors });
    }
    draw();
    const wrong = elementOf(view.id)?.querySelector("[aria-invalid]");
    wrong?.focus({ preventScroll: true });
    wrong?.closest(".block").scrollIntoView({ block: "center" });
  },

  close: (view) => tell(post("/ui/close", { user: state.me, view_id: view.id })),

  async breakIt(what) {
    ui.breaking.add(what);
    draw();
    if (what !== "reset") goTo(state.story.breaks.find((it) => it.what === what) ?? {});
    const answer = await tell(post("/ui/break", { what, user: state.me }));
    ui.breaking.delete(what);
    if (answer.ok && answer.message) toast(answer.message);
    if (answer.ok && what === "reset") beginAgain();
    draw();
  },

  showStrip(name) {
    ui.strip = name;
    ui.stripOpen = true;
    draw();
  },
  foldStrip() {
    ui.stripOpen = !ui.stripOpen;
    draw();
  },
  togglePhone() {
    ui.phone = !ui.phone;
    ui.panel = "slack";
    draw({ toEnd: true });
  },
};

/** Look where something is about to happen, as the person whom it concerns; null: as before. */
function goTo({ channel, user }) {
  if (channel) act.openChannel(channel);
  if (user) act.become(user);
}

function beginAgain() {
  ui.strip = null;
  ui.drafts.clear();
  goTo({ channel: state.story.channel, user: act.people()[0]?.id });
  if (atBeginning(state)) prefill(state.story);
}

function common() {
  const channelName = (id) => state.channels.find((channel) => channel.id === id)?.name ?? null;
  return {
    names: {
      user: (id) => state.users.find((user) => user.id === id)?.name ?? null,
      channel: channelName,
      group: (id) => state.usergroups?.find((group) => group.id === id)?.handle ?? null,
    },
    users: act.people(),
    channels: state.channels,
    isBusy: (key) => ui.busy.has(key),
  };
}

const elementOf = (viewId) => document.querySelector(`[data-view="${CSS.escape(viewId)}"], [data-home="${CSS.escape(viewId)}"]`);

/** One press of a button or menu: asks when the element says so, shows the spinner, posts. Answers whether it went. */
async function press(scope, it, blockId, path, bodyNow) {
  if (it.confirm && !(await asked(it.confirm))) return false;
  if (/^https?:/i.test(it.url ?? "")) window.open(it.url, "_blank", "noopener");
  const key = busyKey(scope, blockId, it.action_id);
  ui.busy.add(key);
  draw();
  const { ok } = await tell(post(path, { user: state.me, ...bodyNow() }));
  ui.busy.delete(key);
  draw();
  return ok;
}

function asked(object) {
  return new Promise((resolve) => {
    const answer = (yes) => {
      ui.confirm = null;
      draw();
      resolve(yes);
    };
    ui.confirm = { object, names: common().names, answer };
    draw();
  });
}

function emptyInputs(view, entered) {
  const missing = {};
  for (const block of view.blocks ?? []) {
    if (block.type !== "input" || block.optional) continue;
    const { type, ...fields } = entered[block.block_id]?.[block.element?.action_id] ?? {};
    const [value] = Object.values(fields);
    if (value === null || (Array.isArray(value) && value.length === 0)) missing[block.block_id] = "Please fill this in.";
  }
  return missing;
}

/** Say a refusal in words; whatever was answered is handed on. */
async function tell(answering) {
  const answer = await answering;
  if (!answer.ok && !answer.errors) toast(answer.message || answer.error || "That did not work.");
  return answer;
}

function toast(text) {
  const it = { id: `${performance.now()}`, text };
  ui.toasts = [...ui.toasts.slice(-2), it];
  setTimeout(() => dropToast(it), Math.max(TOAST_MS, text.length * READING_MS));
  draw();
}

function dropToast(it) {
  ui.toasts = ui.toasts.filter((other) => other !== it);
  draw();
}

// --- drawing ----------------------------------------------------------------------------------------------------

function draw({ toEnd = false } = {}) {
  patch($("link"), linkWords());
  patch($("toasts"), ui.toasts.map(drawToast));
  document.body.dataset.panel = ui.panel;
  document.body.classList.toggle("phone", ui.phone);
  document.body.classList.toggle("folded", !ui.stripOpen);
  if (!state) return;
  const switching = ui.me !== state.me;
  $("slack").inert = switching; // nothing can be pressed as the person who was here before
  $("slack").setAttribute("aria-busy", String(switching));
  patch($("story"), drawStory(state, ui, act));
  patch($("panels"), drawPanels());
  patch($("real"), drawWorld(state.world));
  keepingEnd($("events"), () => patch($("events"), drawEvents(state.events)));
  drawSlack(toEnd);
}

function drawSlack(toEnd) {
  const channel = state.channels.find((it) => it.id === ui.channel);
  const messages = state.messages[ui.channel] ?? [];
  if (ui.thread && !messages.some((message) => message.ts === ui.thread)) ui.thread = null;
  if (channel && !ui.home) ui.read.set(readKeyOf(channel.id), newestOf(channel.id));
  const views = (state.views ?? []).filter((view) => view.type !== "home");
  const held = document.activeElement?.closest("[data-ts]")?.dataset.ts;
  guard.before();
  patch($("sidebar"), drawSidebar(state, ui, act));
  patch($("head"), drawHead(channel, ui, act));
  patch($("foot"), drawFoot(channel, ui, act));
  const isNew = $("messages").dataset.shows !== `${state.me}|${ui.channel}|${ui.home}`;
  $("messages").dataset.shows = `${state.me}|${ui.channel}|${ui.home}`;
  const list = ui.home ? drawHome(state.home, act) : channel ? drawStream(messages, act) : [];
  keepingEnd($("messages"), () => patch($("messages"), list), !ui.home && (toEnd || isNew));
  if (ui.home && isNew) $("messages").scrollTop = 0;
  const threadList = document.querySelector("[data-thread-list]");
  $("thread").hidden = !ui.thread || ui.home; // before drawing: what is hidden cannot be measured
  keepingEnd(threadList, () => patch($("thread"), drawThreadPane(channel, messages, ui, act)));
  patch($("overlay"), drawOverlay(views, ui.confirm, act));
  const covered = views.length > 0 || ui.confirm !== null;
  for (const id of ["sidebar", "conversation"]) $(id).inert = covered;
  $("overlay").hidden = !covered;
  guard.after();
  focus.settle();
  if (held && document.activeElement === document.body) document.querySelector(`[data-ts="${CSS.escape(held)}"]`)?.focus({ preventScroll: true });
}

/** Run `change`; a reader who was at the end is at the end afterwards, anybody else stays where he reads. */
function keepingEnd(list, change, force = false) {
  const atEnd = list && list.scrollHeight - list.scrollTop - list.clientHeight < NEAR_END_PX;
  const before = list?.lastElementChild;
  change();
  if (!list) return;
  if (atEnd || force) scrollToEnd(list);
  else if (list.id === "messages" && before !== list.lastElementChild) $("newer").hidden = false;
}

function scrollToEnd(list) {
  list.scrollTop = list.scrollHeight;
  if (list.id === "messages") $("newer").hidden = true;
}

function linkWords() {
  const app = state?.app;
  const { down, ...others } = app?.faults ?? {};
  const faults = Object.keys(others).filter((name) => others[name]).map((name) => name.replaceAll("_", " "));
  const [look, words] = !ui.linked
    ? ["waiting", state ? "Reconnecting to the workspace…" : "Connecting…"]
    : down ? ["bad", "Slack is down"]
    : !app?.connected ? ["bad", "Bot is down"]
    : ["good", ["Bot connected", h("span", { class: "mode" }, ` · ${app.mode ?? "socket"}`)]];
  return [
    h("span", { class: `link ${look}`, "data-link": look }, words),
    faults.length > 0 && h("span", { class: "link bad" }, `Faults: ${faults.join(", ")}`),
  ];
}

function drawToast(it) {
  return h("div", { key: it.id, class: "toast", role: "alert" }, h("span", {}, it.text),
    h("button", { type: "button", class: "plain-btn", "aria-label": "Dismiss", onclick: () => dropToast(it) }, "×"));
}

function drawPanels() {
  const { storefront } = state.world ?? {};
  const unread = state.channels.reduce((sum, channel) => sum + act.unread(channel), 0);
  const tab = (name, label, note) =>
    h("button", { key: name, type: "button", "aria-pressed": String(ui.panel === name), "data-panel": name, onclick: () => {
      ui.panel = name;
      draw({ toEnd: name === "slack" });
      scrollToEnd($("events"));
    } }, label, note);
  return [
    tab("channels", "Channels", unread > 0 && h("span", { class: "badge" }, unread)),
    tab("slack", "Slack"),
    tab("world", "World", storefront && h("span", { class: `badge ${statusOf(storefront).look}` }, storefront.status ?? "—")),
    tab("events", "Events", h("span", { class: "badge quiet" }, state.events?.length ?? 0)),
  ];
}

// --- begin ------------------------------------------------------------------------------------------------------

$("newer").onclick = () => scrollToEnd($("messages"));
$("messages").addEventListener("scroll", () => {
  const list = $("messages");
  if (list.scrollHeight - list.scrollTop - list.clientHeight < NEAR_END_PX) $("newer").hidden = true;
}, { passive: true });
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.overflow[open]")) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented) return;
  const menu = document.querySelector("details.overflow[open]");
  if (menu) menu.open = false;
  else if (ui.thread) act.openThread(null);
});
window.addEventListener("resize", () => scrollToEnd($("events")));

draw();
stream.follow(ui.me);
