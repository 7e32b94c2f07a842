/** Prints what one tenant can ask for, again and again, as a process of its own: its heap is to be as small as a daemon's. */
import { NO_CUSTOM_RULES } from '../../../src/compile/custom/rules.ts'
import { IncrementalCompiler } from '../../../src/compile/incremental/compiler.ts'
import { printNftables } from '../../../src/compile/nftables/printer.ts'
import { NO_EXEMPTIONS } from '../../../src/compile/ruleset.ts'
import { type KubeObject, networkObject, policyObject } from '../../manifests.ts'
import { parse } from '../../product.ts'

const TIMES = 60
const MANY = 19_000

const compiler = new IncrementalCompiler({
  ...{ node: 'n1', networkPlugins: new Set(['macvlan']), exemptions: NO_EXEMPTIONS, logDrops: false },
})

function tell(raw: KubeObject): void {
  const object = parse(raw)
  if (object === undefined) throw new Error(`it does not parse: ${JSON.stringify(raw).slice(0, 200)}`)
  compiler.apply({ kind: 'changed', object })
}

function print(): void {
  const { targets } = compiler.compile({ custom: NO_CUSTOM_RULES })
  for (const { ruleset } of targets.values()) printNftables(ruleset)
}

function pod(name: string, labels: Readonly<Record<string, string>> = {}): KubeObject {
  const status = [{ name: 'x/red', interface: 'net1', ips: ['10.200.0.1'] }]
  const annotations = { 'k8s.v1.cni.cncf.io/network-status': JSON.stringify(status) }
  return {
    ...{ kind: 'Pod', apiVersion: 'v1', metadata: { name, namespace: 'x', labels, annotations } },
    spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'none' }] },
  }
}

const policy = (name: string, ingress: object, podSelector: object = {}): KubeObject =>
  policyObject('x', name, 'red', { podSelector, ingress })

/** One that no other number gives. */
function large(number: number): object {
  const cidr = (index: number): string =>
    index === 0
      ? `11.0.${number >> 8}.${number & 255}/32`
      : `10.${index >> 13}.${(index >> 5) & 255}.${(index & 31) * 8}/30`
  return [{ from: Array.from({ length: MANY }, (_, index) => ({ ipBlock: { cidr: cidr(index) } })) }]
}

const times = (work: (number: number) => void): void => {
  for (let number = 0; number < TIMES; number += 1) work(number)
}

const WAYS: Readonly<Record<string, () => void>> = {
  'edits of a large policy': () => {
    tell(pod('a'))
    times((number) => {
      tell(policy('z', large(number)))
      print()
    })
  },
  'edits of one of many policies': () => {
    tell(pod('a'))
    for (let number = 1; number <= 2_400; number += 1)
      tell(policy(`p${number}`, [{ ports: [{ port: number }] }]))
    times((number) => {
      tell(policy('p7', [{ ports: [{ port: 10_000 + number }] }]))
      print()
    })
  },
  'policies before a large one': () => {
    tell(pod('a'))
    tell(policy('z', large(0)))
    times((number) => {
      tell(policy(`a${number}`, []))
      print()
    })
  },
  'pods under more and more policies': () => {
    times((number) => {
      const labels = Object.fromEntries(Array.from({ length: number }, (_, each) => [`a${each}`, 'yes']))
      tell(pod(`pod-${number}`, labels))
      tell(policy(`a${number}`, [], { matchLabels: { [`a${number}`]: 'yes' } }))
    })
    tell(policy('z', large(0)))
    print()
  },
}

tell(networkObject('x', 'red'))
WAYS[process.argv[2] ?? '']?.()
console.log('printed')
