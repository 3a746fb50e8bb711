// Asking the server: refusals as words, silence as Gone, and never more than one wish waiting.

const FIRST_PAUSE = 1000, LONGEST_PAUSE = 15000, PATIENCE = 20000; // ms

/** The server understood and said no; the message is its own. */
export class Refused extends Error {}
/** The server does not answer, or not as llmfit. */
export class Gone extends Error {}

/** The JSON of a path. Kept answers are asked for again with their ETag, so that an unchanged one costs a 304. */
export async function get(path, signal) {
  let answer, body;
  try {
    const limit = AbortSignal.timeout(PATIENCE);
    answer = await fetch(path, { cache: "no-cache", signal: signal ? AbortSignal.any([signal, limit]) : limit });
    body = await answer.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Gone(String(error));
  }
  if (answer.status >= 500) throw new Gone(body.error ?? "");
  if (!answer.ok) throw new Refused(body.error ?? String(answer.status));
  return body;
}

/**
 * A function that works on the newest wish only: one at work, at most one waiting, older ones forgotten. `work` makes
 * an answer, `done` takes it unless a newer wish came meanwhile. While the server is gone the newest wish is tried
 * again with growing pauses; `lost` is told when, `found` that it is back.
 */
export function newest({ work, done, refused, lost, found }) {
  let busy = false, waiting = null, pause = 0, wake = () => {};
  async function ask(wish) {
    waiting = [wish];
    wake();
    if (busy) return;
    busy = true;
    while (waiting) {
      const [asked] = waiting;
      waiting = null;
      try {
        const answer = await work(asked);
        if (pause) found();
        pause = 0;
        if (!waiting) done(answer, asked);
      } catch (error) {
        if (error instanceof Refused) {
          if (pause) found();
          pause = 0;
          if (!waiting) refused(error.message);
        } else if (error instanceof Gone) {
          waiting ??= [asked];
          pause = Math.min(LONGEST_PAUSE, pause ? pause * 2 : FIRST_PAUSE);
          lost(pause);
          await new Promise(resolve => { wake = resolve; setTimeout(resolve, pause); });
        } else {
          busy = false;
          throw error;
        }
      }
    }
    busy = false;
  }
  ask.busy = () => busy;
  ask.now = () => wake();
  return ask;
}
