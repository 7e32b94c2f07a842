/** The CNI plugin of the gate as the runtime runs it, with the daemon's side of it and real namespaces. */
import { mkdtempDisposable, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { hostView } from '../../src/apply/netns/cri-host.ts'
import { Gate } from '../../src/apply/netns/gate.ts'
import { GATE_PLUGIN, type GatePluginOptions, installGatePlugin } from '../../src/apply/netns/gate-plugin.ts'
import type { Pod } from '../../src/compile/model.ts'
import { isUnreadable } from '../../src/watch/parse/metadata.ts'
import { parsePod } from '../../src/watch/parse/pod.ts'
import { type SomeNetns, someNetns } from '../unit/apply/netns/some-netns.ts'

const PREVIOUS = { cniVersion: '0.4.0', ips: [{ address: '10.0.0.2/24' }], dns: { search: ['a"}{\\', '{'] } }

let resources: AsyncDisposableStack
let bin: string
let directory: string

beforeEach(async () => {
  resources = new AsyncDisposableStack()
  bin = resources.use(await mkdtempDisposable(join(tmpdir(), 'mnpd-bin-'))).path
  directory = join(resources.use(await mkdtempDisposable(join(tmpdir(), 'mnpd-gate-'))).path, 'gate')
})

afterEach(async () => {
  await resources.disposeAsync()
})

interface Ended {
  readonly code: number | undefined
  readonly printed: unknown
}

async function add(netns: SomeNetns, options: Partial<GatePluginOptions> = {}): Promise<Ended> {
  await installGatePlugin(bin, { directory, timeoutSeconds: 60, onTimeout: 'fail', ...options })
  const { exitCode, stdout } = await execa(join(bin, GATE_PLUGIN), {
    reject: false,
    input: JSON.stringify({ cniVersion: '0.4.0', name: 'x', prevResult: PREVIOUS, type: GATE_PLUGIN }),
    env: {
      CNI_COMMAND: 'ADD',
      CNI_CONTAINERID: 'sandbox-1',
      CNI_NETNS: netns.path,
      CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;K8S_POD_UID=uid-web',
    },
  })
  return { code: exitCode, printed: JSON.parse(stdout) }
}

async function withLink(): Promise<SomeNetns> {
  const netns = resources.use(await someNetns())
  const link = ['ip', 'link', 'add', 'net1', 'type', 'veth', 'peer', 'name', 'eth0']
  await execa('nsenter', [`--net=${netns.path}`, ...link])
  return netns
}

function web(links: readonly string[], uid = 'uid-web'): Pod {
  const status = links.map((link) => ({ name: 'red', interface: link }))
  const annotations = { 'k8s.v1.cni.cncf.io/network-status': JSON.stringify(status) }
  const pod = parsePod({ metadata: { namespace: 'shop', name: 'web', uid, annotations } }, 'n1')
  if (isUnreadable(pod)) throw new Error('no pod')
  return pod
}

function openGate() {
  const stop = new AbortController()
  const state: { pod: Pod | undefined; desired: boolean } = { pod: undefined, desired: false }
  const announced = Promise.withResolvers<string>()
  let looks = 0
  const gate = new Gate({
    directory,
    view: hostView(''),
    podOf: () => {
      looks += 1
      return state.pod
    },
    isAsDesired: () => state.desired,
    announce: async (name, uid, path) => announced.resolve(`${name} ${uid} ${path}`),
    signal: stop.signal,
  })
  const ran = gate.run()
  resources.defer(async () => {
    stop.abort()
    await ran
  })
  /** Looks come one after the other: with the second from now the first has been acted upon. */
  const lookedTwice = async (): Promise<void> => {
    for (const from = looks; looks < from + 2; await setTimeout(1)) gate.poke()
  }
  return { state, lookedTwice, announced: announced.promise }
}

test('the pod starts when network-status tells of all its links and its rules stand, and not before', async () => {
  const netns = await withLink()
  const { state, lookedTwice, announced } = openGate()
  const adding = add(netns)
  expect(await announced).toBe(`shop/web uid-web ${netns.path}`)
  const steps: readonly (readonly [Pod | undefined, boolean])[] = [
    [undefined, true],
    [web([]), true],
    [web(['net1'], 'uid-before'), true],
    [web(['net1']), false],
  ]
  for (const [pod, desired] of steps) {
    Object.assign(state, { pod, desired })
    await lookedTwice()
    expect(await readdir(directory)).toContain('sandbox-1.request')
  }
  state.desired = true
  expect(await adding).toEqual({ code: 0, printed: PREVIOUS })
  expect(await readdir(directory)).toEqual([])
})

test('a request that came while nobody listened is answered', async () => {
  const netns = await withLink()
  const adding = add(netns)
  const { state } = openGate()
  Object.assign(state, { pod: web(['net1']), desired: true })
  expect(await adding).toEqual({ code: 0, printed: PREVIOUS })
})

test('a pod without a secondary interface waits for nothing', async () => {
  const netns = resources.use(await someNetns())
  openGate()
  expect(await add(netns)).toEqual({ code: 0, printed: PREVIOUS })
})

test('without an answer the sandbox fails with the reason, or starts where that is asked for', async () => {
  const netns = resources.use(await someNetns())
  expect(await add(netns, { timeoutSeconds: 1 })).toEqual({
    code: 1,
    printed: {
      cniVersion: '0.4.0',
      code: 11,
      msg: "multi-networkpolicyd has not enforced the pod's policies within 1 s",
    },
  })
  expect(await add(netns, { timeoutSeconds: 1, onTimeout: 'start' })).toEqual({ code: 0, printed: PREVIOUS })
  expect(await readdir(directory)).toEqual([])
})
