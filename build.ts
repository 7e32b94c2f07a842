/**
 * Bundles src/main.ts to dist/: what is deployed, and what the tests run. One file for what every command needs, chunks
 * for what is imported only when it is used, since each library costs resident memory on every node.
 */
import { rm } from 'node:fs/promises'
import { build } from 'esbuild'

process.chdir(import.meta.dirname)
await rm('dist', { recursive: true, force: true })
await build({
  entryPoints: { mnpd: 'src/main.ts' },
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
