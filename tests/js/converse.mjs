// Lets fal's own JavaScript client, unchanged, hold one conversation with a local server, and prints what came of it.
//
//     node converse.mjs ORIGIN KEY ROUTE CONVERSATION
//
// ROUTE is how the client is led to the server: `proxy` (its option proxyUrl) or `middleware` (requestMiddleware).
import { ApiError, ValidationError, createFalClient } from "@fal-ai/client";

const [origin, credentials, route, conversation] = process.argv.slice(2);
const PREFIXES = { "fal.run": "run", "queue.fal.run": "queue", "rest.fal.ai": "rest", "v3.fal.media": "cdn" };

function onThisServer(address) {
  const { host, pathname, search } = new URL(address);
  return `${origin}/${PREFIXES[host]}${pathname}${search}`;
}

const fal = createFalClient({
  credentials,
  ...(route === "proxy"
    ? { proxyUrl: { url: `${origin}/api/fal/proxy`, when: "always" } }
    : { requestMiddleware: async (request) => ({ ...request, url: onThisServer(request.url) }) }),
});

const PICTURE = { prompt: "a cat in a garden", image_size: { width: 128, height: 128 }, seed: 7 };
const LONG = { prompt: "a cat", num_images: 8, image_size: { width: 2048, height: 2048 } };

async function subscribe(mode) {
  const states = [];
  const messages = new Set();
  let enqueued;
  const result = await fal.subscribe("fal-ai/fast-sdxl", {
    input: PICTURE,
    mode,
    logs: true,
    pollInterval: 50,
    onEnqueue: (id) => (enqueued = id),
    onQueueUpdate: (update) => {
      states.push(update.status);
      for (const log of update.logs ?? []) messages.add(log.message);
    },
  });
  return { enqueued, requestId: result.requestId, data: result.data, states, messages: [...messages] };
}

async function stream(endpoint, input) {
  const streaming = await fal.stream(endpoint, { input });
  const events = [];
  for await (const event of streaming) events.push(event);
  return { events, last: await streaming.done(), requestId: streaming.requestId };
}

function described(error) {
  return {
    is: error instanceof ValidationError ? "ValidationError" : error instanceof ApiError ? "ApiError" : String(error),
    status: error.status,
    body: error.body,
    requestId: error.requestId,
    fieldErrors: error.fieldErrors,
  };
}

async function refusal(promise) {
  try {
    return { answer: await promise };
  } catch (error) {
    return described(error);
  }
}

const conversations = {
  run: () => fal.run("fal-ai/fast-sdxl", { input: PICTURE }),
  polling: () => subscribe("polling"),
  streaming: () => subscribe("streaming"),
  model: () => stream("fal-ai/fast-sdxl", { ...PICTURE, prompt: "ein Kätzchen, 猫, 🐈" }),
  workflow: () => stream("workflows/fal-ai/sdxl-sticker", { prompt: "a cat", seed: 1 }),
  async upload() {
    const url = await fal.storage.upload(new Blob(["from a blob"], { type: "text/plain" }), {
      lifecycle: { expiresIn: "1h" },
    });
    const answer = await fetch(url);
    return { url, text: await answer.text(), cache: answer.headers.get("cache-control") };
  },
  async parts() {
    const size = 91 * 2 ** 20;
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; at += 2 ** 20) bytes[at] = at / 2 ** 20;
    const url = await fal.storage.upload(new Blob([bytes], { type: "application/octet-stream" }));
    const back = new Uint8Array(await (await fetch(url)).arrayBuffer());
    return { size: back.length, same: Buffer.compare(back, bytes) === 0 };
  },
  async input() {
    // A small picture inside an input is uploaded by the client before it sends.
    const png = await (await fetch((await fal.run("local/collage", { input: PICTURE })).data.images[0].url)).blob();
    return fal.run("local/upscale", { input: { image_url: png, upscale_factor: 2 } });
  },
  async cancel() {
    const tickets = await Promise.all([1, 2, 3, 4, 5].map(() => fal.queue.submit("fal-ai/fast-sdxl", { input: LONG })));
    await Promise.all(tickets.map((ticket) => fal.queue.cancel("fal-ai/fast-sdxl", { requestId: ticket.request_id })));
    const about = { requestId: tickets.at(-1).request_id };
    await fal.queue.subscribeToStatus("fal-ai/fast-sdxl", { ...about, pollInterval: 50 });
    return {
      result: await refusal(fal.queue.result("fal-ai/fast-sdxl", about)),
      again: await refusal(fal.queue.cancel("fal-ai/fast-sdxl", about)),
    };
  },
  refused: () => refusal(fal.run("fal-ai/flux-vision-upscaler", { input: { image_url: "x", upscale_factor: 9 } })),
  late: () => refusal(fal.subscribe("fal-ai/fast-sdxl", { input: { prompt: 5 }, pollInterval: 50 })),
  async broken() {
    // An aborted stream resolves with what had come by then.
    const streaming = await fal.stream("fal-ai/fast-sdxl", { input: LONG });
    for await (const _event of streaming) break;
    streaming.abort();
    return { last: await streaming.done(), requestId: streaming.requestId };
  },
  unknown: () => refusal(fal.run("fal-ai/no-such-model", { input: {} })),
};

console.log(JSON.stringify(await conversations[conversation]()));
