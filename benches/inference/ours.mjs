// PoQ Lab's inference worker, as the page's Score place talks to it.

/** Starts the program, `cpu` or `webgpu`; `startMs` is the time until it is ready. */
export async function start(kind) {
  const begun = performance.now();
  const script = new URL(`/worker.js#inference-${kind}.js`, location.href);
  const worker = new Worker(script, { type: "module", name: `ours-${kind}` });
  const listeners = new Set();
  worker.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    for (const hear of [...listeners]) hear(message);
  };

  /** Sends a message and waits until `hear` gives something for an answer to it. */
  const ask = (message, hear) =>
    new Promise((done, failed) => {
      const listener = (answer) => {
        try {
          const fault = answer.Lost ?? answer.NoDevice;
          if (fault !== undefined) throw new Error(fault);
          const result = hear(answer);
          if (result === undefined) return;
          listeners.delete(listener);
          done(result);
        } catch (error) {
          listeners.delete(listener);
          failed(error);
        }
      };
      listeners.add(listener);
      worker.onerror = (event) => failed(new Error(event.message || `the program inference-${kind} was not loaded`));
      if (message !== null) worker.postMessage(JSON.stringify(message));
    });

  const { name: device } = await ask(null, (answer) => answer.Ready);
  const startMs = performance.now() - begun;
  let work = 0;

  /** Brings a known model's files into the browser's storage. */
  const fetch = (model) =>
    ask({ Fetch: { model } }, ({ TransferEnded: ended }) => {
      if (ended?.model !== model) return undefined;
      if (ended.fault) throw new Error(ended.fault);
      return true;
    });

  /** Puts a stored model on the device; gives the times of the steps. */
  const load = (model) =>
    ask({ Load: { model } }, ({ Loaded: loaded, LoadFailed: failed }) => {
      if (failed) throw new Error(failed.words);
      return loaded;
    });

  const embed = async (texts) => {
    work += 1;
    const begun = performance.now();
    const outcome = await ask({ Embed: { work, texts } }, ({ Embedded: embedded }) => embedded?.outcome);
    const ms = performance.now() - begun;
    if (outcome.Err) throw new Error(outcome.Err);
    return { ms, vectors: outcome.Ok.vectors, tokenIds: outcome.Ok.token_ids };
  };

  /** Continues a prompt with the best token each time; `arrivals` are the times at which the page had each token. */
  const generate = async (prompt, maxTokens) => {
    work += 1;
    const request = { prompt, chat: false, max_tokens: maxTokens, temperature: 0, seed: 0 };
    const arrivals = [];
    const begun = performance.now();
    const outcome = await ask({ Generate: { work, request } }, ({ Token: token, Generated: generated }) => {
      if (token) arrivals.push(performance.now() - begun);
      return generated?.outcome;
    });
    if (outcome.Err) throw new Error(outcome.Err);
    return { arrivals, text: outcome.Ok.text, promptTokens: outcome.Ok.tokens_in };
  };

  return { device, startMs, fetch, load, embed, generate, end: () => worker.terminate() };
}
