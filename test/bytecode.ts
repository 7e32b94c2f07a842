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

/** @returns how each was loaded: of `bytecode taken: /…/start-abc.cjs` is left `taken` */
export function bytecodeTold(stderr: string): readonly string[] {
  return [...stderr.matchAll(/^bytecode (\w+): /gm)].map(([, how = '']) => how)
}
