/**
 * A module of CommonJS as bytecode. V8 compiles a function when it is first called, and in a start all are: a good part of the
 * time until the first rules stand (measured). The build compiles them once.
 *
 * V8 refuses bytecode of another version or of other flags, and the module is then compiled as always. But of the text it
 * compares no more than the length, so the bytecode's name has the hash of the text in it.
 */
import { constants, Script } from 'node:vm'

/** The name of the bytecode of a chunk that has its hash in its name. */
export function bytecodeOf(chunk: string): string {
  return chunk.replace(/\.cjs$/, '.bytecode')
}

/** @returns a script whose value is the function that Node.js makes of a module of CommonJS */
export function scriptOf(text: string, filename: string, cachedData?: Buffer): Script {
  const wrapped = `(function (exports, require, module, __filename, __dirname) {${text}\n})`
  return new Script(wrapped, {
    filename,
    cachedData,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  })
}
