import { execa } from 'execa'

/** Vitest's global setup: the tests run the bundle that users run, so it is built from the sources at hand. */
export default async function setup(): Promise<void> {
  if (process.env['BUNDLE_IS_BUILT'] !== undefined) return
  await execa('node_modules/node/bin/node', ['build.ts'], { cwd: `${import.meta.dirname}/..` })
}
