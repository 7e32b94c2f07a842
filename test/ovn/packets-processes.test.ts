/**
 * The programs of OVN end and come back, asked to or killed, while packets flow that no policy allows: none of them passes,
 * and afterwards what is allowed passes again and changes still take hold. Once with ACLs written by hand, which says what
 * OVN itself does, and once with the daemon.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { now } from '../lab/clock.ts'
import type { Stream } from '../lab/stream.ts'
import { handAcls } from './testbed/acls.ts'
import { PROGRAM_NAMES, type ProgramName } from './testbed/central.ts'
import { EnforcedWorld } from './testbed/enforced.ts'
import { addressOn, appSelector, type OvnWorld, ovnWorld, type PodName, policyFor } from './testbed/world.ts'

const NAD = 'shop/l2'
/** Few: a switch that stood still for seconds hands over at once what came meanwhile, and a socket holds some 200. */
const PER_SECOND = 50
const AGAIN_MS = 60_000

/** Somebody who lets one pod, and nobody else, in to server. */
interface Enforcer extends AsyncDisposable {
  readonly world: OvnWorld
  letIn(pod: PodName): Promise<void>
}

const ENFORCERS = [
  ['ACLs by hand', byHand],
  ['the daemon', byDaemon],
] as const

const ENDINGS = PROGRAM_NAMES.flatMap((name) =>
  (['SIGTERM', 'SIGKILL'] as const).map((signal) => [name, signal] as const),
)

describe.each(ENFORCERS)('%s', (_, enforce) => {
  let enforcer: Enforcer
  beforeAll(async () => {
    enforcer = await enforce()
  })
  afterAll(() => enforcer?.[Symbol.asyncDispose]())

  test.each(ENDINGS)('%s ends by %s and is started again', async (name, signal) => {
    const { world } = enforcer
    await enforcer.letIn('client')
    const [allowed, forbidden] = [await stream(world, 'client'), await stream(world, 'other')]
    await allowed.until('passed', { timeoutMs: AGAIN_MS })
    await forbidden.until('lost', { timeoutMs: AGAIN_MS })
    await restart(world, name, signal)
    await allowed.until('passed', { after: now(), timeoutMs: AGAIN_MS })
    expect((await forbidden.log()).window().passed).toBe(0)

    await enforcer.letIn('guest')
    await allowed.until('lost', { after: now(), timeoutMs: AGAIN_MS })
    await forbidden.until('lost', { after: now(), timeoutMs: AGAIN_MS })
    await allowed.stop()
    expect((await forbidden.stop()).window().passed).toBe(0)
  })
})

test.each(['SIGTERM', 'SIGKILL'] as const)(
  'the daemon itself ends by %s and is started again',
  async (signal) => {
    await using enforced = await EnforcedWorld.start('again', [NAD])
    await enforced.enforce([letInPolicy('client')])
    const { world } = enforced
    const [allowed, forbidden] = [await stream(world, 'client'), await stream(world, 'other')]
    await allowed.until('passed', { timeoutMs: AGAIN_MS })
    const began = now()
    await enforced.restartDaemon(signal)
    await world.bed.sync()
    const ended = now()
    // What was sent before a packet that has arrived is not on its way any more.
    await allowed.until('passed', { after: ended, timeoutMs: AGAIN_MS })
    const [kept, never] = [(await allowed.stop()).window(began, ended), (await forbidden.stop()).window()]
    expect({ lost: kept.lost, passed: never.passed }).toEqual({ lost: 0, passed: 0 })
    expect(kept.sent).toBeGreaterThan(4)
  },
)

async function restart({ bed }: OvnWorld, name: ProgramName, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  await bed.program(name).end(signal)
  await bed.program(name).startAgain()
  if (name === 'vswitchd') await bed.plugAgain()
  await bed.sync()
}

async function byHand(): Promise<Enforcer> {
  const world = await ovnWorld('byhand', [NAD])
  const { bed, pods } = world
  const ports = pods.server.ports.map((port) => port.name)
  return {
    world,
    async letIn(pod) {
      const match = ([4, 6] as const).map((family) => `ip${family}.src == ${addressOn(NAD, pod, family)}`)
      const allow = [{ direction: 'ingress', match: match.join(' || ') }] as const
      const acls = handAcls({ group: 'byhand', ports, directions: ['ingress'], allow })
      await bed.central.nbctl([['--if-exists', 'destroy', 'Port_Group', 'byhand'], ...acls])
      await bed.sync()
    },
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  }
}

async function byDaemon(): Promise<Enforcer> {
  const enforced = await EnforcedWorld.start('daemon', [NAD])
  return {
    world: enforced.world,
    letIn: (pod) => enforced.enforce([letInPolicy(pod)]),
    [Symbol.asyncDispose]: () => enforced[Symbol.asyncDispose](),
  }
}

function letInPolicy(pod: PodName): ReturnType<typeof policyFor> {
  const namespaceSelector = {}
  const from = [{ ...appSelector(pod), namespaceSelector }]
  return policyFor(NAD, 'server', { policyTypes: ['Ingress'], ingress: [{ from }] })
}

async function stream({ bed, pods }: OvnWorld, from: PodName): Promise<Stream> {
  return await bed.stream({
    from: pods[from].pod,
    to: addressOn(NAD, 'server', 4),
    receiver: pods.server.pod,
    protocol: 'udp',
    port: 80,
    packetsPerSecond: PER_SECOND,
  })
}
