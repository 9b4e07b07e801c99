// What OpenAI's client for JavaScript, unmodified, finds at Limner: node checks.mjs BASE_URL CHECK; silent when all is well,
// but that it tells each event of "streaming" as it comes.
import assert from "node:assert/strict";
import OpenAI, { toFile, APIError, BadRequestError, NotFoundError, RateLimitError } from "openai";

const [baseURL, name] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "any", maxRetries: 0 });
const prompt = "a red apple on a wooden table";
const PNG = Buffer.from("89504e470d0a1a0a", "hex");

/** The bytes of a PNG and its size. */
function png(bytes) {
  assert.deepEqual(bytes.subarray(0, 8), PNG);
  return `${bytes.readUInt32BE(16)}x${bytes.readUInt32BE(20)}`;
}

const decoded = (text) => Buffer.from(text, "base64");

const checks = {
  async generations() {
    const answer = await client.images.generate({ prompt, n: 2, size: "128x96", user: "ann" });
    assert.equal(typeof answer.created, "number");
    assert.deepEqual(
      [answer.size, answer.output_format, answer.quality, answer.background, answer.safety_identifier],
      ["128x96", "png", "medium", "opaque", "ann"],
    );
    assert.equal(answer.data.length, 2);
    for (const one of answer.data) {
      assert.equal(png(decoded(one.b64_json)), "128x96");
      const fetched = Buffer.from(await (await fetch(one.url)).arrayBuffer());
      assert.deepEqual(fetched, decoded(one.b64_json));
      assert.equal(one.limner.drawn, "64x64");
    }
    const url = await client.images.generate({ prompt, response_format: "url" });
    assert.equal(url.data[0].b64_json, undefined);
    const b64 = await client.images.generate({ prompt, response_format: "b64_json", seed: 7 });
    assert.equal(b64.data[0].url, undefined);
    assert.equal(b64.data[0].limner.seed, 7);
  },

  async streaming() {
    const found = [];
    const stream = await client.images.generate({ prompt, stream: true, partial_images: 2, size: "128x128" });
    for await (const event of stream) {
      found.push(event);
      console.log(event.type);
    }
    assert.deepEqual(found.map((event) => event.type), [
      "image_generation.partial_image",
      "image_generation.partial_image",
      "image_generation.completed",
    ]);
    assert.deepEqual(found.map((event) => event.partial_image_index), [0, 1, undefined]);
    for (const event of found) {
      assert.equal(png(decoded(event.b64_json)), "128x128");
      assert.equal(typeof event.created_at, "number");
      assert.deepEqual([event.size, event.output_format, event.background], ["128x128", "png", "opaque"]);
    }
    assert.deepEqual(found[2].usage, {
      input_tokens: 0,
      input_tokens_details: { image_tokens: 0, text_tokens: 0 },
      output_tokens: 0,
      total_tokens: 0,
    });
  },

  async edits() {
    const drawn = await client.images.generate({ prompt, response_format: "b64_json" });
    const image = () => toFile(decoded(drawn.data[0].b64_json), "a.png", { type: "image/png" });
    const answer = await client.images.edit({ image: await image(), prompt, size: "128x128", n: 2 });
    assert.deepEqual([answer.size, answer.data.length], ["128x128", 2]);
    for (const one of answer.data) assert.equal(png(decoded(one.b64_json)), "128x128");
    const one = await client.images.edit({ image: [await image()], prompt, output_format: "webp" });
    assert.equal(one.output_format, "webp");
    await assert.rejects(client.images.edit({ image: await image(), mask: await image(), prompt }), (error) => {
      assert.ok(error instanceof BadRequestError);
      assert.equal(error.param, "mask");
      return true;
    });
    const found = [];
    for await (const event of await client.images.edit({ image: await image(), prompt, stream: true })) found.push(event);
    assert.deepEqual(found.map((event) => event.type), ["image_edit.completed"]);
    assert.equal(png(decoded(found[0].b64_json)), "64x64");
  },

  async variations() {
    const drawn = await client.images.generate({ prompt, response_format: "b64_json" });
    const image = await toFile(decoded(drawn.data[0].b64_json), "a.png", { type: "image/png" });
    const answer = await client.images.createVariation({ image, n: 2, size: "256x256", response_format: "b64_json" });
    assert.equal(answer.data.length, 2);
    for (const one of answer.data) assert.equal(png(decoded(one.b64_json)), "256x256");
  },

  async errors() {
    await assert.rejects(client.images.generate({ prompt, background: "transparent" }), (error) => {
      assert.ok(error instanceof BadRequestError);
      assert.deepEqual([error.status, error.param, error.type], [400, "background", "invalid_request_error"]);
      return true;
    });
    await assert.rejects(client.images.generate({ prompt, model: "gpt-image-2" }), (error) => {
      assert.ok(error instanceof NotFoundError);
      assert.deepEqual([error.code, error.param], ["model_not_found", "model"]);
      return true;
    });
  },

  async busy() {
    await assert.rejects(client.images.generate({ prompt }), (error) => {
      assert.ok(error instanceof RateLimitError);
      assert.ok(Number(error.headers.get("retry-after")) >= 1);
      assert.equal(error.code, "rate_limit_exceeded");
      return true;
    });
  },

  async failing() {
    const retrying = new OpenAI({ baseURL, apiKey: "any", maxRetries: 2 });
    await assert.rejects(retrying.images.generate({ prompt }), { status: 500, code: "drawing_failed" });
  },

  async failing_stream() {
    const stream = await client.images.generate({ prompt, stream: true });
    await assert.rejects(
      (async () => {
        for await (const _ of stream);
      })(),
      (error) => error instanceof APIError && error.code === "drawing_failed",
    );
  },

  async models() {
    const found = [];
    for await (const model of client.models.list()) found.push(model);
    assert.deepEqual(found.map(({ id, object, owned_by }) => [id, object, owned_by]), [["storybook", "model", "limner"]]);
    assert.equal((await client.models.retrieve("storybook")).id, "storybook");
  },
};

await checks[name]();
