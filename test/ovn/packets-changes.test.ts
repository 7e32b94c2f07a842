/**
 * What happens to packets while policies change: a connection that is no longer allowed is cut although it was established,
 * and an edit lets through nothing that was never allowed and drops nothing that was allowed always.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { now } from '../lab/clock.ts'
import type { Stream } from '../lab/stream.ts'
import type { KubeObject } from '../manifests.ts'
import { EnforcedWorld } from './testbed/enforced.ts'
import { addressOn, appSelector, blocksOf, type PodName, policyFor } from './testbed/world.ts'

const NADS = ['shop/l3', 'shop/l2', 'shop/lo']
/** At least as many, and for as long. */
const EDITS = 40
const EDITED_NS = 2e9
/** The flows are in place by then; this is for a machine that is busy with something else. */
const LATE_NS = 500e6
/** A switch that stood still hands over at once what came meanwhile, and a socket holds some 200. */
const PER_SECOND = 100

let enforced: EnforcedWorld
beforeAll(async () => {
  enforced = await EnforcedWorld.start('changes', NADS)
})
afterAll(() => enforced?.[Symbol.asyncDispose]())

describe.each(NADS)('%s', (nad) => {
  const letIn = (...pods: readonly PodName[]): KubeObject =>
    policyFor(nad, 'server', { policyTypes: ['Ingress'], ingress: [{ from: pods.map(appSelector) }] })

  const toOther = policyFor(nad, 'client', {
    policyTypes: ['Egress'],
    egress: [{ to: [appSelector('other')] }],
  })

  // Where a port was not tracked before, the connection's next packet may be the server's, which then counts as the first of
  // one that the server opened, and what the client sends as its replies.
  test.each([
    ['the rule is taken out of the policy', [letIn('client', 'other')], [letIn('other')]],
    ['another policy governs the other end', [letIn('client', 'other')], [toOther]],
    ['the first policy of all is for ingress', [], [letIn('other')]],
    ['the first policy of all is for egress', [], [toOther]],
  ])('an established connection ends when it is no longer allowed: %s', async (_, before, after) => {
    const { server, client } = enforced.world.pods
    await enforced.enforce(before)
    await server.pod.serve({ tcp: [80] })
    const connections = await Promise.all(
      ([4, 6] as const).map((family) =>
        client.pod.connection({ to: addressOn(nad, 'server', family), port: 80 }),
      ),
    )
    await Promise.all(connections.map((connection) => connection.answered()))
    await enforced.enforce(after)
    const revokedAt = now()
    const lastAnswers = await Promise.all(connections.map((connection) => connection.silent(500)))
    expect(Math.max(...lastAnswers)).toBeLessThan(revokedAt + LATE_NS)
    await Promise.all(connections.map((connection) => connection.close()))
  })

  test('edits let nothing through that was never allowed, and drop nothing that always was', async () => {
    await enforced.enforce([letIn('client')])
    const [allowed, forbidden] = [await stream(nad, 'client', 'server'), await stream(nad, 'guest', 'server')]
    await allowed.until('passed')
    await forbidden.until('lost')
    const began = now()
    let edit = 0
    while (edit < EDITS || now() < began + EDITED_NS) await enforced.enforce(edited(nad, edit++))
    const ended = now()
    // What was sent before a packet that has arrived is not on its way any more.
    await allowed.until('passed', { after: ended })
    const [kept, never] = [(await allowed.stop()).window(began, ended), (await forbidden.stop()).window()]
    expect(kept.sent).toBeGreaterThan(PER_SECOND)
    expect({ lost: kept.lost, passed: never.passed }).toEqual({ lost: 0, passed: 0 })
  })
})

/** Policies that always let client in to server, and never guest, in ever other words. */
function edited(nad: string, edit: number): readonly KubeObject[] {
  const client = addressOn(nad, 'client', 4)
  const [block] = blocksOf(nad)
  const guest = `${addressOn(nad, 'guest', 4)}/32`
  const rules: readonly unknown[] = [
    { from: [appSelector('client')] },
    { from: [appSelector('client'), appSelector('other')], ports: [{ protocol: 'UDP', port: 80 }] },
    { from: [{ ipBlock: { cidr: `${client}/32` } }] },
    { from: [{ ipBlock: { cidr: block, except: [guest] } }] },
    { from: [{ namespaceSelector: { matchLabels: { team: 'shop' } } }] },
  ]
  const ingress = [rules[edit % rules.length], ...(edit % 2 === 0 ? [rules[(edit + 1) % rules.length]] : [])]
  const server = policyFor(nad, 'server', { policyTypes: ['Ingress'], ingress })
  const beside = policyFor(nad, 'client', { policyTypes: ['Ingress'] })
  return edit % 3 === 0 ? [server, beside] : [server]
}

async function stream(nad: string, from: PodName, to: PodName): Promise<Stream> {
  const { bed, pods } = enforced.world
  return await bed.stream({
    from: pods[from].pod,
    to: addressOn(nad, to, 4),
    receiver: pods[to].pod,
    protocol: 'udp',
    port: 80,
    packetsPerSecond: PER_SECOND,
  })
}
