/** What Node.js is started with, as NODE_OPTIONS, so that it tells how each script was loaded that had bytecode. */
const TELL = `
  const vm = process.getBuiltinModule('node:vm')
  vm.Script = class extends vm.Script {
    constructor(text, options) {
      super(text, options)
      if (!options?.cachedData) return
      const how = this.cachedDataRejected ? 'refused' : 'taken'
      console.error('bytecode ' + how + ': ' + options.filename)
    }
  }`
export const TELL_BYTECODE: Readonly<Record<string, string>> = {
  NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(TELL)}`,
}

/** @returns each chunk's name without its hash, and how it was loaded */
export function bytecodeTold(
  stderr: string,
): readonly { readonly chunk: string; readonly how: 'taken' | 'refused' }[] {
  const told = stderr.matchAll(/^bytecode (taken|refused): .*\/(\S+?)(?:-\S{8})?\.cjs$/gm)
  return [...told].map(([, how, chunk = '']) => ({ chunk, how: how as 'taken' | 'refused' }))
}
