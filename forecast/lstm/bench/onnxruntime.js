// The network in ONNX Runtime, for BenchmarkPeers; README.md has the protocol.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');
const { createRequire } = require('node:module');

const [, , folder, installed] = process.argv;
const say = (answer) => console.log(JSON.stringify(answer));

let ort;
try {
  const from = createRequire(path.join(installed, 'package.json'));
  ort = from('onnxruntime-node');
} catch (e) {
  say({ missing: e.message.split('\n')[0] });
  process.exit();
}

const spec = JSON.parse(fs.readFileSync(path.join(folder, 'network.json')));

function load(name, dims) {
  const b = fs.readFileSync(path.join(folder, name + '.f32'));
  return new ort.Tensor('float32', new Float32Array(b.buffer.slice(b.byteOffset, b.byteOffset + b.length)), dims);
}

async function inference(n) {
  const session = await ort.InferenceSession.create(path.join(folder, `network-${n}.onnx`), {
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'all',
    executionMode: 'sequential',
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    enableCpuMemArena: true,
    enableMemPattern: true,
  });
  const feeds = {
    x: load(`x-${n}`, [spec.steps, n, spec.channels]),
    static: load(`static-${n}`, [n, spec.statics]),
  };
  // Its own memory for the answer, again and again, as ours has.
  const out = new ort.Tensor('float32', new Float32Array(n * spec.outputs), [n, spec.outputs]);
  return async (times) => {
    for (let i = 0; i < times; i++) await session.run(feeds, { out });
    return out.data;
  };
}

const ready = {};

async function answer(line) {
  const [verb, kind, n, times] = line.split(' ');
  const name = `${kind} ${n}`;
  if (verb === 'check') {
    ready[name] = await inference(Number(n));
    const out = await ready[name](Number(times));
    fs.writeFileSync(path.join(folder, 'answer.f32'), new Uint8Array(out.buffer, out.byteOffset, out.byteLength));
    await ready[name](20);
    return { seconds: 0 };
  }
  const begin = process.cpuUsage();
  await ready[name](Number(times));
  const { user, system } = process.cpuUsage(begin);
  return { seconds: (user + system) / 1e6 };
}

(async () => {
  say({ version: `ONNX Runtime ${ort.env.versions.node}` });
  for await (const line of readline.createInterface({ input: process.stdin })) say(await answer(line));
})().catch((e) => {
  say({ error: String(e) });
  process.exit(1);
});
