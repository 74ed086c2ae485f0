// The aubergine column: channels, direct messages, the app; below them the phone-width toggle.

import { h } from "./dom.js";
import { avatar } from "./messages.js";

/** Draw the column. `here` is the open channel's id. */
export function drawSidebar(state, ui, act) {
  const bot = state.users.find((user) => user.is_bot);
  const rooms = state.channels.filter((channel) => !channel.is_im);
  const people = state.channels.filter((channel) => channel.is_im && channel.with !== bot?.id);
  const appRoom = state.channels.find((channel) => channel.is_im && channel.with === bot?.id);
  return [
    h(
      "div",
      { class: "workspace" },
      h("b", {}, "Local workspace"),
      h("small", {}, "pretend Slack on this computer"),
    ),
    group(
      "Channels",
      rooms.map((channel) => row(channel.id, roomSign(channel), channel.name, channel, ui, act)),
    ),
    people.length > 0 &&
      group(
        "Direct messages",
        people.map((channel) => {
          const person = act.person(channel.with);
          return row(channel.id, avatar(person, "tiny"), person.name, channel, ui, act);
        }),
      ),
    group("Apps", [appRow(state, bot, appRoom, ui, act)]),
    h(
      "button",
      {
        type: "button",
        class: "phone-toggle",
        "aria-pressed": String(ui.phone),
        "data-phone-toggle": "",
        onclick: act.togglePhone,
      },
      h("span", { class: "icon phone", "aria-hidden": "true" }),
      ui.phone ? "Desktop width" : "Phone width",
    ),
  ];
}

/** "#", a lock, and what else tells channels apart. */
export function roomSign(channel) {
  return channel.private
    ? h("span", { class: "icon lock", role: "img", "aria-label": "private channel" })
    : h("span", { class: "hash", "aria-hidden": "true" }, "#");
}

function group(name, rows) {
  return h("section", { key: name, class: "group" }, h("h2", {}, name), h("ul", {}, rows));
}

function row(id, sign, name, channel, ui, act) {
  const open = ui.channel === id && !ui.home;
  const unread = act.unread(channel);
  return h(
    "li",
    { key: id },
    h(
      "button",
      {
        type: "button",
        class: ["room", open && "open", unread && "unread", !channel.is_im && !channel.member && "not-in"]
          .filter(Boolean)
          .join(" "),
        "aria-current": open ? "page" : null,
        "data-channel": id,
        onclick: () => act.openChannel(id),
      },
      h("span", { class: "sign" }, sign),
      h("span", { class: "room-name" }, name),
      channel.shared && h("span", { class: "tag", title: "Shared with another organisation" }, "shared"),
      channel.archived && h("span", { class: "tag" }, "archived"),
      unread > 0 && h("span", { class: "badge", "aria-label": `${unread} unread` }, unread),
    ),
  );
}

function appRow(state, bot, room, ui, act) {
  const unread = room ? act.unread(room) : 0;
  const open = ui.home || (room && ui.channel === room.id);
  return h(
    "li",
    { key: "app" },
    h(
      "button",
      {
        type: "button",
        class: ["room", open && "open", unread && "unread"].filter(Boolean).join(" "),
        "aria-current": open ? "page" : null,
        "data-app": "",
        "data-channel": room?.id ?? null,
        onclick: () => (room ? act.openChannel(room.id) : act.openHome()),
      },
      h("span", { class: "sign" }, bot ? avatar(bot, "tiny") : "▦"),
      h("span", { class: "room-name" }, state.app?.name ?? bot?.name ?? "App"),
      h("span", {
        class: `presence ${state.app?.connected ? "on" : ""}`,
        title: state.app?.connected ? "connected" : "not connected",
      }),
      unread > 0 && h("span", { class: "badge", "aria-label": `${unread} unread` }, unread),
    ),
  );
}
