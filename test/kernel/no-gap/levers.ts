/** By what the fault suite troubles each backend: the programs that go wrong, and what somebody else has and does in a pod. */
import type { Pod } from '../../lab/pod.ts'
import { type Backend, partsOf, withoutCounters } from './backends.ts'
import type { Fault } from './faulty-programs.ts'

export interface Levers {
  /** All that the daemon starts to read and write rules. */
  readonly programs: readonly string[]
  /** Of those, which commit rules. */
  readonly writers: readonly string[]
  readonly faults: readonly ProgramFault[]
  /** With the fault `some` one of so many calls fails, and one is killed: what is written takes one call, or eight. */
  readonly oneIn: number
  readonly tampering: readonly Tampering[]
  /** The rules of an application in the pod. */
  readonly loadApplication: (pod: Pod) => Promise<unknown>
  /** Those as they stand, with handles, so that what is written anew differs. */
  readonly application: (pod: Pod) => Promise<string>
  /** What the daemon has put into the pod, without what differs when it does so again. */
  readonly ours: (pod: Pod) => Promise<string>
}

export interface ProgramFault {
  readonly name: string
  readonly programs: readonly string[]
  readonly fault: Fault
  /** Whether none of the calls can change a rule. */
  readonly stands: boolean
}

export interface Tampering {
  readonly what: string
  readonly command: Command
  /** What the daemon leaves of it, since it is none of its own. */
  readonly undo?: Command
  /** Whether the application's rules go, too. */
  readonly all?: true
}

type Command = readonly [string, ...string[]]

const RESTORES = ['iptables-restore', 'ip6tables-restore']
const IPTABLES = [...RESTORES, 'iptables-save', 'ip6tables-save', 'ipset']

export const LEVERS: Readonly<Record<Backend, Levers>> = {
  nftables: {
    programs: ['nft'],
    writers: ['nft'],
    faults: everyFaultOf('nft', ['nft']),
    oneIn: 3,
    tampering: [
      { what: 'its table is deleted', command: ['nft', 'delete', 'table', 'inet', 'multi_networkpolicy'] },
      {
        what: 'the rules of the hook that leads to the policies are flushed',
        command: ['nft', 'flush', 'chain', 'inet', 'multi_networkpolicy', 'input'],
      },
      {
        what: 'a rule that accepts all is put before the others',
        command: ['nft', 'insert', 'rule', 'inet', 'multi_networkpolicy', 'input', 'accept'],
      },
      { what: 'the whole ruleset is flushed', command: ['nft', 'flush', 'ruleset'], all: true },
    ],
    loadApplication: loadTable,
    application: applicationsTable,
    ours: async (pod) =>
      withoutCounters((await partsOf(pod, 'nftables')).join()).replaceAll(/ # handle \d+/g, ''),
  },
  iptables: {
    programs: IPTABLES,
    writers: RESTORES,
    faults: [
      ...everyFaultOf('iptables-restore', RESTORES),
      { name: 'every program of iptables', programs: IPTABLES, fault: 'fails', stands: true },
    ],
    oneIn: 10,
    tampering: [
      {
        what: 'the jump to its chains is deleted',
        command: ['iptables', '-D', 'INPUT', '-j', 'MULTI-INGRESS'],
      },
      {
        what: 'the rules of one family that lead to the policies are flushed',
        command: ['ip6tables', '-F', 'MULTI-INGRESS'],
      },
      {
        what: 'a rule that accepts all is put before the others',
        command: ['iptables', '-I', 'INPUT', '-j', 'ACCEPT'],
        undo: ['iptables', '-D', 'INPUT', '-j', 'ACCEPT'],
      },
      { what: 'its sets are emptied', command: ['ipset', 'flush'] },
      { what: 'the whole ruleset is flushed', command: ['nft', 'flush', 'ruleset'], all: true },
    ],
    loadApplication: async (pod) => await Promise.all([loadTable(pod), loadChain(pod)]),
    application: async (pod) =>
      (await Promise.all([applicationsTable(pod), applicationsChain(pod)])).join('\n'),
    ours: oursOfIptables,
  },
}

function everyFaultOf(name: string, programs: readonly string[]): readonly ProgramFault[] {
  return [
    { name, programs, fault: 'fails', stands: true },
    { name, programs, fault: 'is killed', stands: true },
    { name, programs, fault: 'missing', stands: true },
    { name, programs, fault: 'is killed after its commit', stands: false },
  ]
}

async function loadTable(pod: Pod): Promise<void> {
  const chain = 'chain input { type filter hook input priority 10; policy accept; counter; }'
  await pod.run(['nft', '-f', '-'], `table inet app { counter seen { packets 7 bytes 7; }; ${chain}; }`)
}

async function applicationsTable(pod: Pod): Promise<string> {
  return withoutCounters(await pod.run(['nft', '-a', 'list', 'table', 'inet', 'app']))
}

async function loadChain(pod: Pod): Promise<void> {
  const rules = '*filter\n:APP - [0:0]\n-A INPUT -p tcp -m tcp --dport 81 -j APP\n-A APP -j DROP\nCOMMIT\n'
  for (const command of RESTORES) await pod.run([command, '--noflush'], rules)
}

async function applicationsChain(pod: Pod): Promise<string> {
  const [chain, hook] = await Promise.all(
    ['APP', 'INPUT'].map((name) => pod.run(['nft', '-a', 'list', 'chain', 'ip', 'filter', name])),
  )
  const jumps = hook?.split('\n').filter((line) => line.includes('jump APP'))
  return withoutCounters([chain, ...(jumps ?? [])].join('\n'))
}

/** Its chains and what leads to them, with the first rule of each hook, whosever it is; and the sets. */
async function oursOfIptables(pod: Pod): Promise<string> {
  const families = await partsOf(pod, 'iptables')
  const sets = (await pod.run(['ipset', 'save'])).replaceAll(/ initval \S+/g, '')
  return [...families.map(oursOfFamily), sets.split('\n').sort().join('\n')].join('\n')
}

function oursOfFamily(saved: string): string {
  const lines = withoutCounters(saved).split('\n')
  const hookOf = (line: string): string | undefined => /-A (INPUT|FORWARD|OUTPUT) /.exec(line)?.[1]
  const hooks = lines.map(hookOf)
  const isFirst = (index: number): boolean =>
    hooks[index] !== undefined && hooks.indexOf(hooks[index]) === index
  return lines.filter((line, index) => line.includes('MULTI-') || isFirst(index)).join('\n')
}
