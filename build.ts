/**
 * Bundles src/main.ts to dist/: what is deployed, and what the tests run. One file for all that the daemon needs in any case,
 * chunks for what is imported only when it is used, since each library costs resident memory on every node, and each file
 * 0.3 ms of a start. Beside each file is its bytecode, see src/launch.ts.
 */
import { readdir, rename, rm, writeFile } from 'node:fs/promises'
import { isBuiltin } from 'node:module'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import {
  type InputOptions,
  type OutputChunk,
  type OutputOptions,
  type Plugin,
  type PluginContext,
  rolldown,
} from 'rolldown'
import { bytecodeFileOf, scriptOf, sealed } from './src/bytecode.ts'

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

/** The client library's connections, of which none is opened (see src/watch/kube/connection-kubeconfig.ts), are a megabyte. */
const withoutUndici: Plugin = {
  name: 'without-undici',
  resolveId: (path) => (path === 'undici' ? WITHOUT_UNDICI : undefined),
  load: (id) =>
    id === WITHOUT_UNDICI
      ? `export function Agent() { throw new Error('undici is not in the bundle') }
         export { Agent as ProxyAgent, Agent as fetch }`
      : undefined,
}

const WITHOUT_UNDICI = '\0without-undici'

/** V8 holds a text with any other character by two bytes for each. Escaped, they mean the same in literals (but for raw ones). */
const asciiOnly: Plugin = {
  name: 'ascii-only',
  // Whoever prints the code writes them anew, so not before.
  generateBundle(_, bundle) {
    for (const chunk of Object.values(bundle)) if (chunk.type === 'chunk') chunk.code = escaped(chunk.code)
  },
}

function escaped(code: string): string {
  return code.replaceAll(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

const INPUT: InputOptions = {
  // Has code of the machine's own, which cannot be bundled.
  external: ['koffi'],
  platform: 'node',
}
const OUTPUT: OutputOptions = {
  dir: 'dist',
  sourcemap: true,
  comments: { legal: false },
}
const COMMON_JS: OutputOptions = {
  ...OUTPUT,
  format: 'cjs',
  // As the sources are, being modules.
  strict: true,
  entryFileNames: '[name]-[hash].cjs',
  chunkFileNames: '[name]-[hash].cjs',
}

const daemon = await rolldown({
  ...INPUT,
  input: { main: 'src/main.ts' },
  plugins: [builtinsAsValues, withoutUndici, startSeen, asciiOnly],
  // Of the client library's types of all resources, which do nothing when they are imported, hardly any is used.
  treeshake: { moduleSideEffects: (id) => !id.includes('/@kubernetes/client-node/dist/gen/') },
})
const { output: ofDaemon } = await daemon.write({
  ...COMMON_JS,
  codeSplitting: { groups: [{ name: 'start', test: (id) => ofEachStart.has(id) }] },
})
const chunks = ofDaemon.filter((each) => each.type === 'chunk')
for (const chunk of chunks) await writeFile(join('dist', bytecodeFileOf(chunk.fileName)), compiled(chunk))
const main = chunks.find(({ isEntry }) => isEntry)

// The process that holds libnftables is a file of its own, see packages/nftables-json/README.md, and loads nothing else.
const worker = await rolldown({
  ...INPUT,
  input: { 'nft-worker': 'packages/nftables-json/src/worker/entry.ts' },
  plugins: [builtinsAsValues],
})
const { output: ofWorker } = await worker.write({ ...OUTPUT, format: 'esm', entryFileNames: '[name].mjs' })

// The one name that is known to others goes last, then chunks of earlier builds, so that there is a whole bundle at every moment.
const launch = await rolldown({
  ...INPUT,
  input: { mnpd: 'src/launch.ts' },
  plugins: [builtinsAsValues],
  transform: { define: { MAIN: JSON.stringify(main?.fileName) } },
})
await launch.write({ ...COMMON_JS, entryFileNames: '[name].cjs.new', sourcemap: false })
await rename('dist/mnpd.cjs.new', 'dist/mnpd.cjs')
const bytecode = chunks.map(({ fileName }) => bytecodeFileOf(fileName))
const written = [...ofDaemon, ...ofWorker].map(({ fileName }) => fileName).concat('mnpd.cjs', bytecode)
for (const name of await readdir('dist')) {
  if (!written.includes(name)) await rm(join('dist', name), { recursive: true, force: true })
}

/** All its functions: what is left to be compiled when it is called is compiled anew at each start. */
function compiled({ fileName, code }: OutputChunk): Buffer {
  setFlagsFromString('--no-lazy')
  const script = scriptOf(code, fileName)
  // V8 takes bytecode from a V8 with the same flags.
  setFlagsFromString('--lazy')
  return sealed(code, script.createCachedData())
}
