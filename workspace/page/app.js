// The page of the local workspace: takes in each state that the server sends and draws it, with what this reader
// has open. The server knows everything about Slack; nothing is decided here.

import { appRoom, asShown, isAtBeginning, makeActs, prefill } from "./acts.js";
import { drawFoot, drawHead, drawHome, drawIntro, drawThreadPane } from "./conversation.js";
import { patch } from "./dom.js";
import { drawLink, drawPanels, drawToast } from "./edges.js";
import { keepAtEnd } from "./ends.js";
import { Guard } from "./guard.js";
import { drawStream } from "./messages.js";
import { DialogFocus, drawOverlay } from "./modal.js";
import { nothingOpened, readKey, remember } from "./opened.js";
import { Sending } from "./sending.js";
import { Stream } from "./server.js";
import { drawSidebar } from "./sidebar.js";
import { drawStory } from "./story.js";
import { drawEvents, drawWorld } from "./world.js";

const NO_STORY = { title: "", steps: [], breaks: [], prefill: "", channel: null };

const $ = (id) => document.getElementById(id);

const ui = nothingOpened();
const page = {
  ui,
  state: null, // null: the server has not answered yet
  directory: { names: "", version: 0 }, // who is called what: messages look different when it changes
  stream: new Stream(arrived, linked),
  draw,
};
const sending = new Sending(page);
const act = makeActs(page, sending);
const guard = new Guard($("slack"));
const messageList = keepAtEnd($("messages"), (isAtEnd) => isAtEnd && ($("newer").hidden = true));
const eventList = keepAtEnd($("events"));
const focus = new DialogFocus($("overlay"), () => {
  document.querySelector("#foot textarea")?.focus({ preventScroll: true });
});

// What arrives

function linked(isUp) {
  if (ui.linked === isUp) return;
  ui.linked = isUp;
  draw();
}

function arrived(next) {
  const before = page.state?.story;
  const story = { ...NO_STORY, ...next.story };
  page.state = { ...next, story, users: next.users.map(asShown) };
  noteNames(page.state);
  settleWhoIAm(act.people().map((person) => person.id));
  settleWhere(page.state);
  if (!before || !isAtBeginning(before)) prefill(ui, story);
  for (const it of before?.breaks ?? []) if (it.busy) tellResult(it.what);
  draw();
}

function noteNames({ users, usergroups, channels }) {
  const names = JSON.stringify([users, usergroups, channels.map(({ id, name }) => [id, name])]);
  if (names !== page.directory.names) page.directory = { names, version: page.directory.version + 1 };
}

/** The server shows the workspace to nobody in particular while it is set up, and to its first person by default. */
function settleWhoIAm(people) {
  const { me } = page.state;
  if (people.length === 0) return;
  if (!people.includes(me)) page.stream.follow(people.includes(ui.me) ? ui.me : people[0]);
  else if (ui.me !== me) remember(ui, me);
}

function settleWhere({ channels, users, story }) {
  if (ui.home) ui.channel = appRoom({ channels, users })?.id ?? null;
  else if (!channels.some((channel) => channel.id === ui.channel))
    ui.channel = story.channel ?? channels[0]?.id ?? null;
}

function tellResult(what) {
  const now = page.state.story.breaks.find((it) => it.what === what);
  if (now && !now.busy) sending.toast(`${now.label}: ${now.hint}`);
}

// Drawing

function draw({ toEnd = false } = {}) {
  const { state } = page;
  patch($("link"), drawLink(state?.app ?? null, ui.linked));
  patch($("toasts"), ui.toasts.map(drawToast));
  if (!state) return;
  guard.before();
  document.body.dataset.panel = ui.panel;
  document.body.classList.toggle("phone", ui.phone);
  document.body.classList.toggle("folded", !ui.stripOpen);
  patch($("story"), drawStory(state, ui, act));
  patch($("panels"), drawPanels(state, ui, act));
  patch($("real"), drawWorld(state.world));
  patch($("events"), drawEvents(state.events));
  eventList.settle();
  drawSlack(state, toEnd);
  guard.after();
}

function drawSlack(state, toEnd) {
  const channel = state.channels.find((it) => it.id === ui.channel) ?? null;
  const messages = state.messages[ui.channel] ?? [];
  const held = document.activeElement?.closest("[data-ts]")?.dataset.ts;
  const isSwitching = ui.me !== state.me;
  $("slack").inert = isSwitching; // nothing can be pressed as the person who was here before
  $("slack").setAttribute("aria-busy", String(isSwitching));
  if (!messages.some((message) => message.ts === ui.thread)) ui.thread = null;
  if (channel && !ui.home) ui.read.set(readKey(state.me, channel.id), messages.at(-1)?.ts ?? "0");
  patch($("sidebar"), drawSidebar(state, ui, act));
  patch($("head"), drawHead(channel, ui, act));
  patch($("foot"), drawFoot(channel, ui, act));
  if (ui.home) drawHomeList(state);
  else drawMessageList(state, channel, messages, toEnd);
  $("thread").hidden = !ui.thread || ui.home; // before drawing: what is hidden cannot be measured
  patch($("thread"), drawThreadPane(channel, messages, ui, act));
  drawDialogs(state);
  if (held && document.activeElement === document.body) focusMessage(held);
}

function drawHomeList(state) {
  const isOther = shows(`${state.me}|home`);
  patch($("messages"), drawHome(state.home, act));
  messageList.leave();
  $("newer").hidden = true;
  if (isOther) $("messages").scrollTop = 0;
}

function drawMessageList(state, channel, messages, toEnd) {
  const last = $("messages").lastElementChild;
  const isOther = shows(`${state.me}|${ui.channel}`);
  patch($("messages"), channel && [drawIntro(channel, act), ...drawStream(messages, act)]);
  if (toEnd || isOther) messageList.toEnd();
  else messageList.settle();
  if (!messageList.isAtEnd() && last !== $("messages").lastElementChild) $("newer").hidden = false;
}

/** Note what the list shows; whether that is something else than before. */
function shows(what) {
  const before = $("messages").dataset.shows;
  $("messages").dataset.shows = what;
  return before !== what;
}

function drawDialogs(state) {
  const views = (state.views ?? []).filter((view) => view.type !== "home");
  const isCovered = views.length > 0 || ui.confirm !== null;
  patch($("overlay"), drawOverlay(views, ui.confirm, act));
  $("overlay").hidden = !isCovered;
  for (const id of ["sidebar", "conversation"]) $(id).inert = isCovered;
  focus.settle();
}

/** A button that had the focus is gone: the keyboard stays at its card. */
function focusMessage(ts) {
  document.querySelector(`[data-ts="${CSS.escape(ts)}"]`)?.focus({ preventScroll: true });
}

// Begin

const openMenus = () => [...document.querySelectorAll("details.overflow[open]")];

$("newer").onclick = () => messageList.toEnd();
document.addEventListener("click", (event) => {
  for (const menu of openMenus()) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented) return;
  const menus = openMenus();
  for (const menu of menus) menu.open = false;
  if (menus.length === 0 && ui.thread) act.openThread(null);
});

draw();
page.stream.follow(ui.me);
