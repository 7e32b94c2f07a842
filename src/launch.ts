/** The entry of the bundle: has its chunks loaded by their bytecode, see bytecode.ts, and loads `mnpd`. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { bytecodeFileOf, scriptOf, unsealed } from './bytecode.ts'

/** The name of its chunk, which the build puts in. */
declare const MAIN: string

const requireMain = createRequire(import.meta.filename)
const { '.js': loadAsAlways } = requireMain.extensions
requireMain.extensions['.cjs'] = (module, path) => {
  const file = read(bytecodeFileOf(path))
  if (file === undefined) return loadAsAlways(module, path)
  const text = readFileSync(path, 'utf8')
  const define = scriptOf(text, path, unsealed(text, file)).runInThisContext()
  define.call(module.exports, module.exports, createRequire(path), module, path, dirname(path))
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
