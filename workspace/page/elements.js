// Block Kit's interactive elements, as descriptions for dom.js: buttons, menus, inputs.
//
// An element tells what a person did by `ctx.act(element, fields, blockId)`; what becomes of it (confirm dialog,
// spinner, POST) is sending.js's. What people enter lives in the elements alone: each input can `read()` its own.
// `ctx` is {names, users, channels, where: "message"|"view", scope, block, known, act, isBusy}, and for inputs
// {inputId, labelledBy, describedBy, invalid} too.

import { h } from "./dom.js";
import { plainWithEmoji, textObject } from "./mrkdwn.js";

const DRAWERS = {
  button,
  overflow,
  static_select: select,
  users_select: select,
  channels_select: select,
  conversations_select: select,
  multi_static_select: checklist,
  multi_users_select: checklist,
  multi_channels_select: checklist,
  multi_conversations_select: checklist,
  checkboxes: checklist,
  radio_buttons: checklist,
  plain_text_input: textInput,
  email_text_input: textInput,
  url_text_input: textInput,
  number_input: textInput,
  datepicker: textInput,
  timepicker: textInput,
  datetimepicker: textInput,
};

/** Where the value of an input stands in Slack's state, by element type. */
const VALUE_FIELD = {
  static_select: "selected_option",
  radio_buttons: "selected_option",
  users_select: "selected_user",
  channels_select: "selected_channel",
  conversations_select: "selected_conversation",
  multi_static_select: "selected_options",
  checkboxes: "selected_options",
  multi_users_select: "selected_users",
  multi_channels_select: "selected_channels",
  multi_conversations_select: "selected_conversations",
  datepicker: "selected_date",
  timepicker: "selected_time",
  datetimepicker: "selected_date_time",
};
const INITIAL_FIELD = {
  static_select: "initial_option",
  radio_buttons: "initial_option",
  users_select: "initial_user",
  channels_select: "initial_channel",
  conversations_select: "initial_conversation",
  multi_static_select: "initial_options",
  checkboxes: "initial_options",
  multi_users_select: "initial_users",
  multi_channels_select: "initial_channels",
  multi_conversations_select: "initial_conversations",
  datepicker: "initial_date",
  timepicker: "initial_time",
  datetimepicker: "initial_date_time",
};
const INPUT_TYPE = {
  email_text_input: "email",
  url_text_input: "url",
  datepicker: "date",
  timepicker: "time",
  datetimepicker: "datetime-local",
};

/** Draw one element; one that we do not know is a labelled grey box. */
export function element(it, ctx) {
  const draw = DRAWERS[it?.type];
  return draw
    ? draw(it, ctx)
    : h("span", { class: "unknown" }, `element “${it?.type ?? "?"}” is not drawn here`);
}

/** Slack's state of every input inside `root`: {block_id: {action_id: {type, …}}}. */
export function readState(root) {
  const state = {};
  for (const input of root.querySelectorAll("[data-input]")) {
    const { block, action } = input.dataset;
    (state[block] ??= {})[action] = input.read();
  }
  return state;
}

/** What a click or a choice says in a POST: the option, or the plain value. `stated` is the element's state. */
function chosen(it, stated) {
  const { type, ...fields } = stated;
  const [value] = Object.values(fields);
  return it.type === "static_select" || it.type === "radio_buttons" ? { selected_option: value } : { value };
}

/** Names one element of one message or view, for the spinner that it shows until the server answered. */
export const busyKey = (scope, blockId, actionId) => `${scope}|${blockId ?? ""}|${actionId ?? ""}`;

const keyOf = (it) => `${it.type}|${it.action_id ?? ""}`;
const pressKey = (it, ctx) => busyKey(ctx.scope, ctx.block.block_id, it.action_id);
const initialOf = (it, ctx) => {
  const known = ctx.known?.(ctx.block.block_id, it.action_id);
  return known ? known[VALUE_FIELD[it.type] ?? "value"] : it[INITIAL_FIELD[it.type] ?? "initial_value"];
};

function button(it, ctx) {
  const label = textObject(it.text, ctx.names);
  const busy = ctx.isBusy(pressKey(it, ctx));
  return h(
    "button",
    {
      key: keyOf(it),
      type: "button",
      class: `btn ${it.style === "primary" || it.style === "danger" ? it.style : ""}`,
      "data-action": it.action_id,
      "data-block": ctx.block.block_id,
      "data-value": it.value ?? null,
      "data-press": `${pressKey(it, ctx)}|${it.text?.text ?? ""}`,
      "data-card": ctx.scope,
      "aria-label": it.accessibility_label ?? null,
      "aria-busy": busy ? "true" : null,
      onclick: () =>
        busy || ctx.act(it, it.value === undefined ? {} : { value: it.value }, ctx.block.block_id),
    },
    busy && h("span", { class: "spinner", "aria-hidden": "true" }),
    h("span", {}, label),
  );
}

function overflow(it, ctx) {
  const choose = (event, option) => {
    event.currentTarget.closest("details").open = false;
    ctx.act(it, { selected_option: option }, ctx.block.block_id);
  };
  return h(
    "details",
    { key: keyOf(it), class: "overflow", "data-action": it.action_id },
    h(
      "summary",
      { class: "btn", "aria-label": "More actions" },
      ctx.isBusy(pressKey(it, ctx)) ? h("span", { class: "spinner" }) : "⋯",
    ),
    h(
      "div",
      { class: "menu" },
      (it.options ?? []).map((option) =>
        h(
          "button",
          {
            type: "button",
            class: "menu-item",
            "data-option": option.value,
            onclick: (event) => choose(event, option),
          },
          textObject(option.text, ctx.names),
          option.description && h("small", {}, textObject(option.description, ctx.names)),
        ),
      ),
    ),
  );
}

/** The groups of options of a select: [{label: text|null, options: [Slack option]}]. */
function groupsOf(it, ctx) {
  if (it.type.includes("users_select")) return [{ label: null, options: ctx.users.map(personOption) }];
  if (it.type.includes("channels_select") || it.type.includes("conversations_select")) {
    return [{ label: null, options: ctx.channels.filter((channel) => !channel.is_im).map(channelOption) }];
  }
  if (it.option_groups) {
    return it.option_groups.map((group) => ({
      label: group.label?.text ?? "",
      options: group.options ?? [],
    }));
  }
  return [{ label: null, options: it.options ?? [] }];
}

const personOption = (user) => ({
  value: user.id,
  text: { type: "plain_text", text: user.guest ? `${user.name} (guest)` : user.name },
});
const channelOption = (channel) => ({
  value: channel.id,
  text: { type: "plain_text", text: `#${channel.name}` },
});
const optionsOf = (it, ctx) => groupsOf(it, ctx).flatMap((group) => group.options);
const hasOptionObjects = (it) =>
  ["static_select", "multi_static_select", "radio_buttons", "checkboxes"].includes(it.type);

/** How a chosen value stands in the state: the whole option, or the id alone for people and channels. */
const asField = (it, value, options) => {
  if (!hasOptionObjects(it)) return value || null;
  return options.find((option) => option.value === value) ?? null;
};
const valueOf = (stated) => (stated && typeof stated === "object" ? stated.value : stated) ?? "";

function select(it, ctx) {
  const options = optionsOf(it, ctx);
  const offers = (value) => options.some((option) => option.value === value);
  const fields = (el) => ({ [VALUE_FIELD[it.type]]: asField(it, el.value, options) });
  const changed = async (event) => {
    const el = event.currentTarget;
    const before = el.chosen;
    el.chosen = el.value;
    el.touched = true;
    if (ctx.where === "view" && ctx.block.type === "input" && !ctx.block.dispatch_action) return;
    const went = await ctx.act(it, chosen(it, el.read()), ctx.block.block_id);
    if (!went || ctx.where === "message") el.value = el.chosen = went ? "" : before;
  };
  const settle = (el) => {
    const cleared = el.touched && el.chosen === "";
    if (!cleared && !offers(el.chosen))
      el.chosen = [valueOf(initialOf(it, ctx)), valueOf(it.initial_option)].find(offers) ?? "";
    if (el.value !== el.chosen) el.value = el.chosen;
    el.read = () => ({ type: it.type, ...fields(el) });
    el.title = el.selectedOptions[0]?.textContent ?? "";
  };
  const placeholder = it.placeholder?.text ?? (it.type === "users_select" ? "Choose a person" : "Choose one");
  return h(
    "span",
    { key: keyOf(it), class: "select-box" },
    h(
      "select",
      {
        ...inputProps(it, ctx),
        class: "select",
        onchange: changed,
        each: settle,
      },
      h(
        "option",
        { key: "", value: "", disabled: ctx.block.type === "input" && !ctx.block.optional },
        plainWithEmoji(placeholder),
      ),
      groupsOf(it, ctx).map((group, index) => {
        const drawn = group.options.map((option) =>
          h("option", { key: option.value, value: option.value }, optionWords(option)),
        );
        return group.label === null
          ? drawn
          : h("optgroup", { key: `group-${index}`, label: plainWithEmoji(group.label) }, drawn);
      }),
    ),
    ctx.isBusy(pressKey(it, ctx)) && h("span", { class: "spinner dark", "aria-hidden": "true" }),
  );
}

const optionWords = (option) =>
  plainWithEmoji(option.text?.text) +
  (option.description ? ` — ${plainWithEmoji(option.description.text)}` : "");

function checklist(it, ctx) {
  const single = it.type === "radio_buttons";
  const options = optionsOf(it, ctx);
  const stated = initialOf(it, ctx);
  const initial = (single ? [stated] : (stated ?? [])).map(valueOf);
  const fields = (el) => {
    const chosen = [...el.querySelectorAll("input:checked")].map((box) => asField(it, box.value, options));
    return { [VALUE_FIELD[it.type]]: single ? (chosen[0] ?? null) : chosen };
  };
  const changed = (event) => {
    if (ctx.block.type !== "input" || ctx.block.dispatch_action)
      ctx.act(it, chosen(it, event.currentTarget.read()), ctx.block.block_id);
  };
  return h(
    "div",
    {
      ...inputProps(it, ctx),
      key: keyOf(it),
      class: it.type.startsWith("multi_") ? "checklist boxed" : "checklist",
      role: single ? "radiogroup" : "group",
      onchange: changed,
      each: (el) => (el.read = () => ({ type: it.type, ...fields(el) })),
    },
    groupsOf(it, ctx).map((group, index) => [
      group.label && h("div", { key: `label-${index}`, class: "group-label" }, plainWithEmoji(group.label)),
      group.options.map((option) => checkRow(it, option, ctx, initial.includes(option.value))),
    ]),
  );
}

function checkRow(it, option, ctx, checked) {
  return h(
    "label",
    { key: option.value, class: "check-row" },
    h("input", {
      type: it.type === "radio_buttons" ? "radio" : "checkbox",
      name: pressKey(it, ctx),
      value: option.value,
      init: (el) => (el.checked = checked),
    }),
    h(
      "span",
      {},
      textObject(option.text, ctx.names),
      option.description && h("small", {}, textObject(option.description, ctx.names)),
    ),
  );
}

function textInput(it, ctx) {
  const field = VALUE_FIELD[it.type] ?? "value";
  const read = (el) => ({ type: it.type, [field]: valueFromInput(it, el.value) });
  const dispatches = (on) =>
    (ctx.block.type !== "input" || ctx.block.dispatch_action) &&
    (it.dispatch_action_config?.trigger_actions_on ?? ["on_enter_pressed"]).includes(on);
  const act = (el) => ctx.act(it, chosen(it, read(el)), ctx.block.block_id);
  const isPicker = it.type.endsWith("picker");
  return h(it.multiline ? "textarea" : "input", {
    ...inputProps(it, ctx),
    key: keyOf(it),
    class: "text-input",
    type: it.multiline ? null : (INPUT_TYPE[it.type] ?? "text"),
    inputmode: it.type === "number_input" ? (it.is_decimal_allowed ? "decimal" : "numeric") : null,
    rows: it.multiline ? 3 : null,
    maxlength: it.max_length ?? null,
    placeholder: it.placeholder ? plainWithEmoji(it.placeholder.text) : null,
    autocomplete: "off",
    dir: "auto",
    init: (el) => {
      el.value = inputFromValue(it, initialOf(it, ctx));
      if (it.focus_on_load) el.focus();
    },
    each: (el) => (el.read = () => read(el)),
    oninput: (event) => dispatches("on_character_entered") && act(event.currentTarget),
    onchange: (event) =>
      isPicker && (ctx.block.type !== "input" || ctx.block.dispatch_action) && act(event.currentTarget),
    onkeydown: (event) => {
      if (
        event.key !== "Enter" ||
        it.multiline ||
        isPicker ||
        event.isComposing ||
        !dispatches("on_enter_pressed")
      )
        return;
      event.preventDefault();
      act(event.currentTarget);
    },
  });
}

function valueFromInput(it, text) {
  if (it.type === "datetimepicker") return text ? Math.floor(new Date(text).getTime() / 1000) : null;
  return text === "" ? null : text;
}

function inputFromValue(it, value) {
  if (value === null || value === undefined) return "";
  if (it.type !== "datetimepicker") return String(value);
  const date = new Date(value * 1000);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function inputProps(it, ctx) {
  return {
    "data-input": "",
    "data-block": ctx.block.block_id ?? "",
    "data-action": it.action_id ?? "",
    id: ctx.inputId ?? null,
    "aria-labelledby": ctx.labelledBy ?? null,
    "aria-describedby": ctx.describedBy ?? null,
    "aria-label": ctx.labelledBy ? null : (it.accessibility_label ?? it.placeholder?.text ?? "Choose"),
    "aria-invalid": ctx.invalid ? "true" : null,
  };
}
