/** `mnpd gate`: puts the gate's plugin into a CNI configuration of the node, or takes it out, because somebody says so. */
import { readFile, stat } from 'node:fs/promises'
import { hostView } from '../apply/netns/cri-host.ts'
import { listOf, readChain, withGate, withoutGate } from '../apply/netns/gate-chain.ts'
import { GATE_PLUGIN, hasGatePlugin, readIfThere, replaceFile } from '../apply/netns/gate-plugin.ts'
import { UsageError } from '../usage-error.ts'
import { describeFlags, FlagValues, GATE_FLAGS } from './flags.ts'
import { cniDirectories, whyOpen } from './gate-options.ts'

export const GATE_HELP: string = `mnpd gate status: whether new pods of this node wait for their rules, and why not (exit code 1).
mnpd gate install --conflist=FILE [--from=CONF]: puts mnpd-gate at the end of the list of CNI plugins in FILE. Where there
is no such file, it is made of CONF, which configures one plugin (00-multus.conf); name it so that it comes before that one.
mnpd gate remove --conflist=FILE: takes it out again.

What FILE held is kept as FILE.before-mnpd-gate, the first time. FILE is replaced in one step; to say it twice changes
nothing. The daemon puts the plugin there (mnpd run --new-pod-gate=DIR), and never changes a configuration by itself.

${describeFlags(GATE_FLAGS)}
`

const ACTIONS = ['status', 'install', 'remove'] as const

export async function gateCommand(args: readonly string[]): Promise<number> {
  const [named, ...rest] = args
  const action = ACTIONS.find((each) => each === named)
  if (action === undefined)
    throw new UsageError(
      named === undefined ? 'mnpd gate: nothing to do' : `mnpd gate: unknown ${JSON.stringify(named)}`,
      ACTIONS.join(', '),
    )
  const flags = new FlagValues(GATE_FLAGS, rest, process.env)
  return action === 'status' ? await status(flags) : await edit(action, flags)
}

async function status(flags: FlagValues): Promise<number> {
  const view = hostView(flags.text('host-prefix') ?? '')
  const { bin, conf } = cniDirectories(flags)
  const chain = await readChain(await view.resolve(conf))
  const there = await hasGatePlugin(await view.resolve(bin))
  const open = whyOpen(chain) ?? (there ? undefined : `${bin} has no ${GATE_PLUGIN} of ours`)
  process.stdout.write(
    open === undefined
      ? `new pods wait for their rules: ${conf}/${chain.kind === 'chained' ? chain.file : ''} has ${GATE_PLUGIN}\n`
      : `${open}\n`,
  )
  return open === undefined ? 0 : 1
}

async function edit(action: 'install' | 'remove', flags: FlagValues): Promise<number> {
  const view = hostView(flags.text('host-prefix') ?? '')
  const named = flags.text('conflist')
  if (named === undefined) throw new UsageError('--conflist is missing', 'the FILE to change')
  if (!named.endsWith('.conflist'))
    throw new UsageError(`--conflist: ${named}`, 'a name that ends in .conflist')
  const path = await view.resolve(named)
  const { bin } = cniDirectories(flags)
  // A list with a plugin that is not there fails every new sandbox of the node.
  if (action === 'install' && !(await hasGatePlugin(await view.resolve(bin))))
    throw new UsageError(
      `${bin} has no ${GATE_PLUGIN} of ours`,
      'a daemon that runs with --new-pod-gate, which puts it there',
    )
  const found = await read(path)
  const from = flags.text('from')
  if (found === undefined && (from === undefined || action === 'remove'))
    throw new UsageError(
      `--conflist: ${named} is not there`,
      'a list of CNI plugins, or --from=CONF to make one of',
    )
  const before = found ?? (await made(await view.resolve(from ?? '')))
  const after = attempt(named, () => (action === 'install' ? withGate(before) : withoutGate(before)))
  if (after === found) return tell(`${named}: nothing to change`)
  const mode = found === undefined ? 0o600 : (await stat(path)).mode & 0o777
  const kept = `${path}.before-mnpd-gate`
  if (found !== undefined && (await read(kept)) === undefined) await replaceFile(kept, found, mode)
  await replaceFile(path, after, mode)
  return tell(
    action === 'install'
      ? `${named}: new sandboxes wait for ${GATE_PLUGIN}`
      : `${named}: new sandboxes no longer wait for ${GATE_PLUGIN}`,
  )
}

async function made(from: string): Promise<string> {
  const conf = await readFile(from, 'utf8').catch((error: unknown) => {
    throw new UsageError(
      `--from: ${error instanceof Error ? error.message : error}`,
      'a file that can be read',
    )
  })
  return attempt(from, () => listOf(conf))
}

function attempt(file: string, make: () => string): string {
  try {
    return make()
  } catch (error) {
    throw new UsageError(
      `${file}: ${error instanceof Error ? error.message : error}`,
      'a configuration of CNI',
      {
        cause: error,
      },
    )
  }
}

async function read(path: string): Promise<string | undefined> {
  return await readIfThere(path).catch((error: unknown) => {
    throw new UsageError(error instanceof Error ? error.message : String(error), 'a file that can be read')
  })
}

function tell(text: string): number {
  process.stdout.write(`${text}\n`)
  return 0
}
