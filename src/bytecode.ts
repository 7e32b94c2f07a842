/**
 * A module of CommonJS as bytecode. V8 compiles a function when it is first called, and in a start all are: some 30 % of the time
 * until the first pod's rules stand (measured). The build compiles them once.
 *
 * V8 refuses bytecode of another version or of other flags, and the module is then compiled as always. But of the text it
 * compares no more than the length, and damaged bytecode it runs as it is. So before the bytecode there is a digest of both.
 */
import { createHash } from 'node:crypto'
import { constants, Script } from 'node:vm'

/** The name of the file with the bytecode of a chunk. */
export function bytecodeFileOf(chunk: string): string {
  return chunk.replace(/\.cjs$/, '.bytecode')
}

/** @returns a script whose value is the function that Node.js makes of a module of CommonJS */
export function scriptOf(text: string, filename: string, bytecode?: Uint8Array): Script {
  const wrapped = `(function (exports, require, module, __filename, __dirname) {${text}\n})`
  return new Script(wrapped, {
    filename,
    cachedData: bytecode,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  })
}

/** What the file holds. */
export function sealed(text: string, bytecode: Uint8Array): Buffer {
  return Buffer.concat([digestOf(text, bytecode), bytecode])
}

/** The bytecode in the file; undefined where it is not that of the text. */
export function unsealed(text: string, file: Uint8Array): Uint8Array | undefined {
  const bytecode = file.subarray(DIGEST_BYTES)
  return digestOf(text, bytecode).equals(file.subarray(0, DIGEST_BYTES)) ? bytecode : undefined
}

const DIGEST_BYTES = 32

function digestOf(text: string, bytecode: Uint8Array): Buffer {
  return createHash('sha256').update(text).update(bytecode).digest()
}
