/** The entry of the bundle: has its chunks loaded by their bytecode, see bytecode.ts, and loads `mnpd`. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { bytecodeOf, scriptOf } from './bytecode.ts'

/** The name of its chunk, which the build puts in. */
declare const MAIN: string

const requireMain = createRequire(import.meta.filename)
const { '.js': loadAsAlways } = requireMain.extensions
requireMain.extensions['.cjs'] = (module, path) => {
  const bytecode = read(bytecodeOf(path))
  if (bytecode === undefined) return loadAsAlways(module, path)
  const script = scriptOf(readFileSync(path, 'utf8'), path, bytecode)
  script.runInThisContext()(module.exports, createRequire(path), module, path, dirname(path))
}
requireMain(join(import.meta.dirname, MAIN))

/** Undefined where there is none: the chunk is somebody else's, or is only loaded later. */
function read(path: string): Buffer | undefined {
  try {
    return readFileSync(path)
  } catch {
    return undefined
  }
}
