// Talks to the local workspace's server: one stream of states in, one POST for each thing a person does out.

const RETRY_MS = 1000;

/** Follow the workspace as `user` sees it. `onState(state)` gets every state, `onLink(isUp)` tells whether it is live. */
export class Stream {
  constructor(onState, onLink) {
    this.onState = onState;
    this.onLink = onLink;
    this.source = null;
    this.timer = 0;
  }

  /** Start (again) as this user; null lets the server choose. */
  follow(user) {
    this.stop();
    const source = new EventSource(`/ui/stream?user=${encodeURIComponent(user ?? "")}`);
    this.source = source;
    source.onmessage = (message) => {
      this.onLink(true);
      this.onState(JSON.parse(message.data));
    };
    source.onerror = () => {
      this.stop(); // the browser's own retry gives up for ever on a refused answer; ours does not
      this.onLink(false);
      this.timer = setTimeout(() => this.follow(user), RETRY_MS);
    };
  }

  stop() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }
}

/** POST to the server. Always answers {ok, …}; a server that cannot be reached is an answer too. */
export async function post(path, body) {
  let response;
  try {
    response = await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  } catch {
    return {
      ok: false,
      error: "unreachable",
      message: "The local workspace does not answer. Is `make demo` still running?",
    };
  }
  try {
    return await response.json();
  } catch {
    return {
      ok: false,
      error: "bad_answer",
      message: `The local workspace answered ${response.status} without words.`,
    };
  }
}
