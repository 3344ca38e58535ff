// The two TypeScript clients over stdio and HTTP: load -> preview -> refused execute -> a person's approval -> execute with progress -> labels,
// and kill -9 of the server -> batch_resume in a new one.
// Usage: node clients.mjs PYTHON SERVER SHOP_JSON WORK_FOLDER [HTTP_URL]
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";

const [python, server, shop, work, url] = process.argv.slice(2);

const orders = (count, street) =>
  Array.from({ length: count }, (_, i) => ({
    order_id: `${street.replace(" ", "-")}-${i + 1}`, name: "Ada Lee", address1: `${i + 1} ${street}`, city: "Austin", state: "TX", zip: "78701", weight_lb: 2, service: "ground",
  }));

const KINDS = {
  "client 2.4 (2026-07-28)": async () => modern({ versionNegotiation: { mode: "auto" } }, "modern"),
  "client 2.4 (2025-11-25)": async () => modern({}, "legacy"),
  "sdk 1.32": async () => {
    const { Client } = await import("@modelcontextprotocol/sdk/client/index.js");
    const { StdioClientTransport } = await import("@modelcontextprotocol/sdk/client/stdio.js");
    const { StreamableHTTPClientTransport } = await import("@modelcontextprotocol/sdk/client/streamableHttp.js");
    const { ElicitRequestSchema } = await import("@modelcontextprotocol/sdk/types.js");
    return { make: (options) => new Client({ name: "ts-sdk", version: "1.32" }, options), stdio: StdioClientTransport, http: StreamableHTTPClientTransport, elicit: ElicitRequestSchema,
      call: (c, params, options) => c.callTool(params, undefined, options) };
  },
};

async function modern(extra, era) {
  const { Client, StreamableHTTPClientTransport } = await import("@modelcontextprotocol/client");
  const { StdioClientTransport } = await import("@modelcontextprotocol/client/stdio");
  return { make: (options) => new Client({ name: "ts-client", version: "2.4" }, { ...options, ...extra }), stdio: StdioClientTransport, http: StreamableHTTPClientTransport, elicit: "elicitation/create",
    call: (c, params, options) => c.callTool(params, options), era };
}

async function connect(kind, transport, answer) {
  const asked = [];
  const client = kind.make({ capabilities: answer ? { elicitation: {} } : {} });
  if (answer) {
    client.setRequestHandler(kind.elicit, async (request) => {
      asked.push(request.params.message);
      return answer();
    });
  }
  await client.connect(transport);
  if (kind.era) assert.equal(client.getProtocolEra(), kind.era);
  return { client, asked, call: (name, args = {}, options) => kind.call(client, { name, arguments: args }, options) };
}

const stdio = (kind, home, latency, ...more) =>
  new kind.stdio({ command: python, args: [server, home, latency, "--shipper", `harbor=${shop}`, ...more], env: { ...process.env, SHIPKIT_HOME: home, SHIPKIT_GRACE_S: "0.5" }, stderr: "ignore" });

async function wholeWay(kind, transport, street) {
  let answer = { action: "decline" };
  const { client, asked, call } = await connect(kind, transport, () => answer);
  const tools = await client.listTools();
  assert.equal(tools.tools.length, 10);
  const batch = (await call("load_orders", { rows: orders(6, street) })).structuredContent;
  const shown = (await call("batch_preview", { job_id: batch.job_id })).structuredContent;
  assert.equal(shown.shipments, 6);
  const refused = await call("batch_execute", { preview_id: shown.preview_id });
  assert.equal(refused.isError, true);
  assert.match(refused.content[0].text, /Nothing was bought/);
  assert.equal(asked.length, 1);
  answer = { action: "accept", content: { approve: true } };
  const seen = [];
  const done = await call("batch_execute", { preview_id: shown.preview_id }, { onprogress: (p) => seen.push([p.progress, p.total]) });
  assert.equal(done.isError ?? false, false, JSON.stringify(done.content));
  assert.equal(done.structuredContent.shipped, 6);
  assert.equal(done.structuredContent.total_charged, shown.total);
  assert.equal(asked.length, 2);
  assert.ok(asked[1].includes(shown.total) && asked[1].includes(shown.preview_id));
  const reported = seen.filter(([, total]) => total === 6); // the new client counts its own rounds too, and an old one may drop what comes with the answer
  assert.ok(reported.length > 1 && reported.every(([done], i) => i === 0 || done > reported[i - 1][0]), JSON.stringify(seen));
  const labels = await call("get_labels", { job_id: done.structuredContent.job_id });
  const uris = labels.content.filter((part) => part.type === "resource_link").map((part) => part.uri);
  const csv = (await client.readResource({ uri: uris[0] })).contents[0].text;
  assert.equal(csv.trim().split("\n").length, 7);
  const pdf = (await client.readResource({ uri: uris[1] })).contents[0].blob;
  assert.ok(Buffer.from(pdf, "base64").subarray(0, 5).equals(Buffer.from("%PDF-")));
  await client.close();
}

async function killedAndResumed(kind, home) {
  const hold = path.join(home, "hold"); // the carrier sells three shipments and waits
  fs.writeFileSync(hold, "");
  const first = await connect(kind, stdio(kind, home, "0"), () => ({ action: "accept", content: { approve: true } }));
  await first.call("load_orders", { rows: orders(40, "Kill Rd") });
  const shown = (await first.call("batch_preview")).structuredContent;
  const running = (await first.call("batch_execute", { preview_id: shown.preview_id, wait_s: 0 })).structuredContent;
  assert.equal(running.status, "running");
  const lock = JSON.parse(fs.readFileSync(path.join(home, "jobs", running.job_id, "LOCK.json"), "utf8"));
  process.kill(lock.pid, "SIGKILL");
  await first.client.close().catch(() => {});
  fs.unlinkSync(hold);
  const second = await connect(kind, stdio(kind, home, "0.05"), null);
  const found = (await second.call("batch_resume")).structuredContent;
  assert.equal(found.status, "interrupted");
  assert.ok(found.remaining > 0);
  const done = await second.call("batch_resume", { job_id: found.job_id, choice: "resume" });
  assert.equal(done.structuredContent.status, "completed", JSON.stringify(done.content));
  assert.equal(done.structuredContent.shipped, 40);
  await second.client.close();
}

for (const [name, load] of Object.entries(KINDS)) {
  const kind = await load();
  const street = name.replace(/\W/g, "");
  const home = path.join(work, street);
  fs.mkdirSync(home, { recursive: true });
  await wholeWay(kind, stdio(kind, home, "0.2"), `${street} St`);
  console.log(`ok   ${name} over stdio`);
  await killedAndResumed(kind, home);
  console.log(`ok   ${name}: kill -9, then resume`);
  if (url) {
    await wholeWay(kind, new kind.http(new URL(url)), `${street} Ave`);
    console.log(`ok   ${name} over HTTP`);
  }
}
