// What this reader has open on the page, which the server does not know: the person, the channel, drafts, spinners.

/** Everything at its beginning. */
export function nothingOpened() {
  return {
    me: sessionStorage.getItem("me"), // per tab, so that two tabs can be two people; null: the server chooses
    channel: null,
    home: false,
    thread: null, // ts of its first message
    phone: false,
    panel: "slack", // on a narrow screen: channels | slack | world | events
    strip: null, // "story" or "break"; null: as the story goes
    stripOpen: false,
    linked: false, // to the server
    confirm: null, // {object, names, answer}
    busy: new Set(), // elements that wait for the server's answer
    submitting: new Set(), // view ids
    breaking: new Set(), // what of Now break it was pressed and not answered yet
    errors: new Map(), // view id → {hash, errors}
    drafts: new Map(), // person|channel|thread → text
    prefills: 0, // each filling of the composer by the story makes a new box
    read: new Map(), // person|channel → ts of the newest message seen
    toasts: [],
  };
}

export function remember(ui, user) {
  ui.me = user;
  sessionStorage.setItem("me", user);
}

export const draftKey = (ui, channel, thread) => `${ui.me}|${channel}|${thread}`;
export const readKey = (me, channel) => `${me}|${channel}`;
