// The middle column around the messages: the channel's head, App Home, notices, the composers, the thread's frame.

import { drawBlocks } from "./blocks.js";
import { drawComposer } from "./composer.js";
import { h } from "./dom.js";
import { keepAtEnd } from "./ends.js";
import { avatar, drawThread } from "./messages.js";
import { roomSign } from "./sidebar.js";

/** The line above the messages; for the app's own room, with its Home and Messages tabs. */
export function drawHead(channel, ui, act) {
  const person = channel?.is_im ? act.person(channel.with) : ui.home ? act.bot() : null;
  return [
    h(
      "h1",
      {},
      person ? avatar(person, "tiny") : channel && roomSign(channel),
      h("span", { class: "head-name" }, person?.name ?? channel?.name ?? "Setting up…"),
      person?.is_bot && h("span", { class: "app-badge" }, "APP"),
      channel?.shared && h("span", { class: "tag light" }, "shared with another organisation"),
      channel?.archived && h("span", { class: "tag light" }, "archived"),
    ),
    person?.is_bot &&
      h(
        "div",
        { class: "tabs", role: "group", "aria-label": "Tabs of the app" },
        h(
          "button",
          {
            type: "button",
            "aria-pressed": String(Boolean(ui.home)),
            "data-tab": "home",
            onclick: act.openHome,
          },
          "Home",
        ),
        h(
          "button",
          {
            type: "button",
            "aria-pressed": String(!ui.home),
            "data-tab": "messages",
            disabled: !channel,
            onclick: () => act.openChannel(channel.id),
          },
          "Messages",
        ),
      ),
  ];
}

/** What stands above the first message. */
export function drawIntro(channel, act) {
  const name = channel.is_im ? act.person(channel.with).name : `#${channel.name}`;
  return h(
    "div",
    { key: "intro", class: "intro" },
    h("b", {}, name),
    h("p", {}, `This is the very beginning of ${channel.is_im ? `your messages with ${name}` : name}.`),
  );
}

/** App Home, or what stands there before the bot published one. */
export function drawHome(home, act) {
  if (!home?.blocks?.length)
    return h(
      "p",
      { class: "nothing" },
      "Nothing published yet. The bot fills this when it hears that you opened it.",
    );
  return h(
    "div",
    { class: "blocks home-view", "data-home": home.id, key: home.id },
    drawBlocks(home.blocks, act.viewContext(home, {})),
  );
}

/** Under the messages: the composer, or why there is none. */
export function drawFoot(channel, ui, act) {
  if (!channel || ui.home) return [];
  if (channel.archived)
    return h("p", { class: "notice" }, "This channel is archived. Nobody can write here.");
  if (!channel.member && !channel.is_im) return h("p", { class: "notice" }, "You are not in this channel.");
  const bot = act.bot();
  const name = channel.is_im ? act.person(channel.with).name : `#${channel.name}`;
  return [
    !channel.is_im &&
      !channel.bot_member &&
      h("p", { key: "absent", class: "notice" }, `${bot?.name ?? "The bot"} is not in this channel.`),
    drawComposer({
      key: act.draftKey(channel.id, ""),
      label: `Message ${name}`,
      draft: act.draft(channel.id, ""),
      send: (text) => act.say(channel.id, text, null),
    }),
  ];
}

/** The thread pane, or nothing. */
export function drawThreadPane(channel, messages, ui, act) {
  if (!channel || !ui.thread || ui.home) return [];
  return [
    h(
      "header",
      { key: "head", class: "thread-head" },
      h("h2", {}, "Thread ", h("small", {}, channel.is_im ? "" : `#${channel.name}`)),
      h(
        "button",
        {
          type: "button",
          class: "plain-btn",
          "aria-label": "Close thread",
          onclick: () => act.openThread(null),
        },
        "×",
      ),
    ),
    h(
      "div",
      {
        key: `list-${ui.thread}`,
        class: "scroller",
        init: (el) => (el.ends = keepAtEnd(el)),
        each: (el) => el.ends.settle(),
      },
      drawThread(messages, ui.thread, act),
    ),
    !channel.archived &&
      drawComposer({
        key: act.draftKey(channel.id, ui.thread),
        label: "Reply…",
        draft: act.draft(channel.id, ui.thread),
        send: (text) => act.say(channel.id, text, ui.thread),
      }),
  ];
}
