/**
 * The gate's plugin in the runtime's CNI configuration. The runtime takes the first file of its directory by name:
 *
 *     /etc/cni/net.d/00-multus.conf        { "type": "multus-shim", … }                     one plugin
 *     /etc/cni/net.d/00-mnpd.conflist      { "plugins": [ { "type": "multus-shim", … }, { "type": "mnpd-gate" } ] }
 *
 * A configuration is somebody else's, and multus' or the installer's to write anew. So the daemon looks, and says; what is
 * edited here is edited because somebody typed `mnpd gate install`.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { GATE_PLUGIN } from './gate-plugin.ts'

export type Chain =
  | { readonly kind: 'chained'; readonly file: string }
  /** Some file chains it, but the runtime takes an earlier one. */
  | { readonly kind: 'behind'; readonly file: string; readonly first: string }
  | { readonly kind: 'none'; readonly first: string | undefined }

interface Configuration {
  readonly type?: unknown
  readonly plugins?: readonly { readonly type?: unknown }[]
}

/** Never rejects: what cannot be read is not there. @param directory as this process opens it */
export async function readChain(directory: string): Promise<Chain> {
  const files = await readConfigurations(directory)
  const [first] = files
  const chaining = files.find(({ chains }) => chains)
  if (first === undefined || chaining === undefined) return { kind: 'none', first: first?.name }
  return chaining === first
    ? { kind: 'chained', file: chaining.name }
    : { kind: 'behind', file: chaining.name, first: first.name }
}

/** Names of all files that chain it, whichever the runtime takes. Never rejects. */
export async function filesThatChain(directory: string): Promise<readonly string[]> {
  return (await readConfigurations(directory)).filter(({ chains }) => chains).map(({ name }) => name)
}

/** The files that configure plugins, by name, and whether the gate's is among these. */
async function readConfigurations(
  directory: string,
): Promise<readonly { readonly name: string; readonly chains: boolean }[]> {
  const all = await readdir(directory).catch(() => [])
  const names = all.filter((each) => /\.(?:conf|conflist|json)$/.test(each)).sort()
  const texts = await Promise.all(
    names.map((name) => readFile(join(directory, name), 'utf8').catch(() => '')),
  )
  return names.flatMap((name, n) => {
    const plugins = pluginsOf(texts[n] ?? '')
    return plugins.length === 0 ? [] : [{ name, chains: plugins.includes(GATE_PLUGIN) }]
  })
}

/** The list with the plugin at its end; unchanged where it is in it. @throws Error where the text is no list of plugins */
export function withGate(text: string): string {
  const list = parseList(text)
  if (list.plugins.some(({ type }) => type === GATE_PLUGIN)) return text
  return print({ ...list, plugins: [...list.plugins, { type: GATE_PLUGIN }] })
}

/** @throws Error where the text is no list of plugins */
export function withoutGate(text: string): string {
  const list = parseList(text)
  const plugins = list.plugins.filter(({ type }) => type !== GATE_PLUGIN)
  return plugins.length === list.plugins.length ? text : print({ ...list, plugins })
}

/** A list of the one plugin that a `.conf` configures. @throws Error where it configures none */
export function listOf(conf: string): string {
  const plugin = parse(conf)
  if (plugin === undefined || typeof plugin.type !== 'string')
    throw new Error('no configuration of one plugin')
  const { cniVersion, name, ...own } = plugin as Record<string, unknown>
  return print({ cniVersion, name, plugins: [own] })
}

function parseList(text: string): Configuration & Required<Pick<Configuration, 'plugins'>> {
  const list = parse(text)
  if (list === undefined || !Array.isArray(list.plugins)) throw new Error('no list of plugins')
  return { ...list, plugins: list.plugins }
}

function pluginsOf(text: string): readonly unknown[] {
  const configuration = parse(text)
  const { plugins } = configuration ?? {}
  return Array.isArray(plugins)
    ? plugins.map((plugin: { readonly type?: unknown } | null) => plugin?.type)
    : configuration?.type === undefined
      ? []
      : [configuration.type]
}

function parse(text: string): Configuration | undefined {
  try {
    const parsed: unknown = JSON.parse(text)
    return typeof parsed === 'object' && parsed !== null ? parsed : undefined
  } catch {
    return undefined
  }
}

function print(configuration: object): string {
  return `${JSON.stringify(configuration, null, 2)}\n`
}
