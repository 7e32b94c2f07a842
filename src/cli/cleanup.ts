/** `mnpd cleanup`: takes away all that the daemon put into this node's pods, and says what that was. */
import { hostView } from '../apply/netns/cri-host.ts'
import { nameOf } from '../compile/model.ts'
import { backendsOf } from './backends.ts'
import { type Environment, nodeName } from './cluster-options.ts'
import { CLUSTER_FLAGS, CNI_FLAGS, describeFlags, type FlagSpec, FlagValues, RUNTIME_FLAGS } from './flags.ts'
import { cniDirectories } from './gate-options.ts'
import { loadAndCompile } from './load-cluster.ts'
import { openLocator } from './open-locator.ts'
import { cleanOvn } from './ovn-options.ts'

const FLAGS: readonly FlagSpec[] = [...CLUSTER_FLAGS, ...RUNTIME_FLAGS, ...CNI_FLAGS]

export const CLEANUP_HELP: string = `mnpd cleanup: takes away all rules of the daemon's from the pods of this node, by either
backend, the CNI plugin mnpd-gate from the node, and with --ovn-nb all of its rows from that database. The plugin stays
while a CNI configuration has it, since every new sandbox would fail: mnpd gate remove takes it out.
Stop the daemon before: one that runs puts its rules back. From then on nothing is enforced.
Exit code 1: something could not be taken away.

${describeFlags(FLAGS)}
`

export async function cleanupCommand(args: readonly string[], env: Environment): Promise<number> {
  const flags = new FlagValues(FLAGS, args, env)
  await using resources = new AsyncDisposableStack()
  const { compilation } = await loadAndCompile(flags, env, nodeName(flags, env))
  const log = { info: () => undefined, warn: (_: object, text: string) => say(text) }
  const locator = (await openLocator(flags, log, resources))(() => compilation.targets)
  const { backend, others } = backendsOf(flags)
  const { signal } = new AbortController()
  let [removed, failures] = [0, 0]
  const fail = (pod: string, reason: string): void => {
    failures += 1
    say(`${pod}: ${reason}`)
  }
  for (const { pod } of compilation.targets.values()) {
    const name = nameOf(pod)
    const located = await locator.locate(pod, signal)
    // Without a namespace there is nothing in it; where that is not known, it has to be said.
    if (located.kind === 'unknown') fail(name, located.reason)
    if (located.kind !== 'found') continue
    await using netns = located.netns
    for (const each of [backend, ...others]) {
      const cleared = await each.clear(netns, signal)
      if (cleared.kind === 'failed') fail(name, cleared.reason)
      else {
        for (const what of cleared.what) process.stdout.write(`${name}: removed ${what}\n`)
        removed += cleared.what.length
      }
    }
  }
  try {
    for (const what of await cleanOvn(flags)) {
      process.stdout.write(`OVN: removed ${what}\n`)
      removed += 1
    }
  } catch (error) {
    fail('OVN', error instanceof Error ? error.message : String(error))
  }
  try {
    const what = await removeGate(flags)
    if (what !== undefined) process.stdout.write(`node: removed ${what}\n`)
    removed += what === undefined ? 0 : 1
  } catch (error) {
    fail('node', error instanceof Error ? error.message : String(error))
  }
  if (removed + failures === 0) process.stdout.write('nothing to remove\n')
  return failures === 0 ? 0 : 1
}

/** @returns what was removed. @throws Error where it has to stay */
async function removeGate(flags: FlagValues): Promise<string | undefined> {
  const { filesThatChain } = await import('../apply/netns/gate-chain.ts')
  const { GATE_PLUGIN, hasGatePlugin, removeGatePlugin } = await import('../apply/netns/gate-plugin.ts')
  const view = hostView(flags.text('host-prefix') ?? '')
  const { bin, conf } = cniDirectories(flags)
  const directory = await view.resolve(bin)
  if (!(await hasGatePlugin(directory))) return undefined
  const files = await filesThatChain(await view.resolve(conf))
  if (files.length > 0)
    throw new Error(
      `${bin}/${GATE_PLUGIN} stays, since new sandboxes would fail: ${files.join(', ')} in ${conf} has it; mnpd gate remove --conflist=FILE takes it out`,
    )
  await removeGatePlugin(directory)
  return `${bin}/${GATE_PLUGIN}`
}

function say(text: string): void {
  process.stderr.write(`${text}\n`)
}
