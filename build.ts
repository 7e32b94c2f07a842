/**
 * Bundles src/main.ts to dist/: what is deployed, and what the tests run. One file for what every command needs, chunks
 * for what is imported only when it is used, since each library costs resident memory on every node.
 */
import { readdir, rm } from 'node:fs/promises'
import { join, normalize } from 'node:path'
import { build, type Plugin } from 'esbuild'

process.chdir(import.meta.dirname)

/**
 * An import of node:http makes Node.js look at all that it exports, and so load a whole HTTP client that nobody here uses:
 * 35 ms and some MiB at each start. Asked for as a value it is without. (Of other modules it costs more than it spares.)
 */
const httpAsValue: Plugin = {
  name: 'http-as-value',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(?:node:)?https?$/ }, ({ path, kind }) =>
      kind === 'import-statement' ? { path, namespace: 'as-value' } : undefined,
    )
    onLoad({ filter: /./, namespace: 'as-value' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule('${path}')`,
    }))
  },
}

const { metafile } = await build({
  metafile: true,
  // The process that holds libnftables is a file of its own, see packages/nftables-json/README.md.
  entryPoints: { mnpd: 'src/main.ts', 'nft-worker': 'packages/nftables-json/src/worker/entry.ts' },
  // Has code of the machine's own, which cannot be bundled.
  external: ['koffi'],
  plugins: [httpAsValue],
  outdir: 'dist',
  outExtension: { '.js': '.mjs' },
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  sourcemap: 'linked',
  legalComments: 'none',
  logLevel: 'warning',
  // Bundled CommonJS packages call require for Node's own modules.
  banner: {
    js: "import { createRequire as mnpdRequire } from 'node:module'; const require = mnpdRequire(import.meta.url);",
  },
})

// Chunks of earlier builds go last, so that there is a whole bundle at every moment.
const written = new Set(Object.keys(metafile.outputs).map(normalize))
for (const name of await readdir('dist')) {
  if (!written.has(join('dist', name))) await rm(join('dist', name), { recursive: true, force: true })
}
