/**
 * Bundles src/main.ts to dist/: what is deployed, and what the tests run. One file for all that the daemon needs in any case,
 * chunks for what is imported only when it is used, since each library costs resident memory on every node, and each file
 * 0.3 ms of a start.
 */
import { readdir, rm } from 'node:fs/promises'
import { isBuiltin } from 'node:module'
import { join } from 'node:path'
import { type InputOptions, type OutputOptions, type Plugin, type PluginContext, rolldown } from 'rolldown'

process.chdir(import.meta.dirname)

/**
 * An import of a module of Node.js makes it look at all that the module exports, and so load what hardly anybody uses: an HTTP
 * client for node:http, streams for node:fs. Asked for as a value, just what is used is looked at.
 */
const builtinsAsValues: Plugin = {
  name: 'builtins-as-values',
  // One for each importer, or they would be files of their own.
  resolveId: (path, importer, { kind }) =>
    kind === 'import-statement' && isBuiltin(path) ? `${AS_VALUE}${path}?${importer}` : undefined,
  load(id) {
    if (!id.startsWith(AS_VALUE)) return undefined
    const path = id.slice(AS_VALUE.length, id.indexOf('?'))
    const names = Object.keys(process.getBuiltinModule(path) ?? {}).filter((name) => name !== 'default')
    const exported = names.map((name) => `export const ${name} = /* @__PURE__ */ (() => all.${name})()`)
    return [`const all = process.getBuiltinModule('${path}')`, 'export default all', ...exported].join('\n')
  },
}

const AS_VALUE = '\0as-value:'

/** All that the daemon imports at its start, in any configuration. */
const ofEachStart = new Set<string>()
const START = ['src/cli/run.ts', 'src/apply/nftables-library.ts', 'src/apply/netns/kernel.ts']

const startSeen: Plugin = {
  name: 'start-seen',
  buildEnd() {
    for (const path of START) addImports(this, join(import.meta.dirname, path))
  },
}

function addImports(context: PluginContext, id: string): void {
  if (ofEachStart.has(id)) return
  ofEachStart.add(id)
  for (const each of context.getModuleInfo(id)?.importedIds ?? []) addImports(context, each)
}

const INPUT: InputOptions = {
  // Has code of the machine's own, which cannot be bundled.
  external: ['koffi'],
  platform: 'node',
}
const OUTPUT: OutputOptions = {
  dir: 'dist',
  format: 'esm',
  entryFileNames: '[name].mjs',
  chunkFileNames: '[name]-[hash].mjs',
  sourcemap: true,
  comments: { legal: false },
}

const daemon = await rolldown({
  ...INPUT,
  input: { mnpd: 'src/main.ts' },
  plugins: [builtinsAsValues, startSeen],
})
// The process that holds libnftables is a file of its own, see packages/nftables-json/README.md, and loads nothing else.
const worker = await rolldown({
  ...INPUT,
  input: { 'nft-worker': 'packages/nftables-json/src/worker/entry.ts' },
  plugins: [builtinsAsValues],
})
const written = [
  await daemon.write({
    ...OUTPUT,
    codeSplitting: { groups: [{ name: 'start', test: (id) => ofEachStart.has(id) }] },
  }),
  await worker.write(OUTPUT),
].flatMap(({ output }) => output.map(({ fileName }) => fileName))

// Chunks of earlier builds go last, so that there is a whole bundle at every moment.
for (const name of await readdir('dist')) {
  if (!written.includes(name)) await rm(join('dist', name), { recursive: true, force: true })
}
