/** Events against an API server that writes down what it was sent and answers as the test says. */
import { pino } from 'pino'
import { afterEach, describe, expect, test } from 'vitest'
import { IssueEvents } from '../../../src/apply/issue-events.ts'
import type { Clock } from '../../../src/clock.ts'
import type { Issue } from '../../../src/compile/model.ts'

let stop = new AbortController()
afterEach(() => {
  stop.abort()
  stop = new AbortController()
})

interface Sent {
  readonly path: string
  readonly event: { readonly metadata: { readonly name: string }; readonly message: string }
}

function server(status: (path: string) => number = () => 201, node = 'n1') {
  const sent: Sent[] = []
  const slept: number[] = []
  const log: string[] = []
  let now = 0
  // Time passes only in sleeps that are waited for on behalf of an Event; refilling waits for ever.
  const clock: Clock = {
    now: () => now,
    wallTime: () => 0,
    sleep: async (ms) => {
      slept.push(ms)
      if (slept.length > 60) await new Promise(() => undefined)
      now += ms
    },
  }
  const events = new IssueEvents({
    node,
    clock,
    signal: stop.signal,
    log: pino(
      { level: 'warn' },
      { write: (line: string) => void log.push((JSON.parse(line) as { msg: string }).msg) },
    ),
    writer: {
      send: async (_method, path, body) => {
        sent.push({ path, event: JSON.parse(body) as Sent['event'] })
        return { status: status(path), body: (async function* () {})() }
      },
    },
  })
  return { events, sent, slept, log, settle: () => new Promise((resolve) => setImmediate(resolve)) }
}

const issue = (name: string, reason = 'because'): Issue => ({
  object: { kind: 'MultiNetworkPolicy', namespace: 'shop', name, uid: `uid-${name}` },
  field: 'spec.ingress[0]',
  value: '10.0.0.0/99',
  reason,
})

describe('Events', () => {
  test('are told once for as long as the Issue holds, on the object that it is about', async () => {
    const { events, sent, settle } = server()
    for (let time = 0; time < 3; time += 1) {
      events.set([issue('a'), issue('b')])
      await settle()
    }
    expect(sent.map(({ path }) => path)).toEqual(Array(2).fill('/api/v1/namespaces/shop/events'))
    expect(sent[0]?.event).toMatchObject({
      involvedObject: { kind: 'MultiNetworkPolicy', namespace: 'shop', name: 'a', uid: 'uid-a' },
      message: 'spec.ingress[0]: 10.0.0.0/99: because',
      reason: 'NotEnforced',
      type: 'Warning',
    })
  })

  test('are told again when the Issue comes back', async () => {
    const { events, sent, settle } = server()
    for (const issues of [[issue('a')], [], [issue('a')]]) {
      events.set(issues)
      await settle()
    }
    expect(sent.length).toBe(2)
  })

  test('have the same name on every node, so that the API server keeps one', async () => {
    const [one, other] = [server(() => 201, 'n1'), server(() => 409, 'n2')]
    for (const { events, settle } of [one, other]) {
      events.set([issue('a')])
      await settle()
    }
    expect(other.sent[0]?.event.metadata.name).toBe(one.sent[0]?.event.metadata.name)
    expect(other.log).toEqual([])
    expect(issue('a', 'x')).not.toEqual(issue('a'))
  })

  test('of a flood come as a burst and then one by one', async () => {
    const { events, sent, slept, settle } = server()
    events.set(Array.from({ length: 10_000 }, (_, index) => issue(`p-${index}`)))
    await settle()
    expect(sent.length).toBeGreaterThanOrEqual(25)
    expect(slept.length).toBeGreaterThan(0)
    expect(new Set(slept)).toEqual(new Set([2_000]))
    expect(sent.length).toBeLessThanOrEqual(25 + slept.length)
  })

  test('of one namespace’s flood keep no other’s waiting, and how many are left out is said once', async () => {
    const { events, sent, log, settle } = server()
    const flood = Array.from({ length: 10_000 }, (_, index) => issue(`p-${index}`))
    const other = { ...issue('honest'), object: { ...issue('honest').object, namespace: 'other' } }
    events.set(flood)
    events.set([...flood, other])
    events.set([...flood, other])
    await settle()
    expect(sent.findIndex(({ path }) => path === '/api/v1/namespaces/other/events')).toBeLessThan(3)
    expect(log).toEqual(['9900 Issues of namespace shop are left out of Events for now; the log has them'])
  })

  test('of six namespaces’ floods are theirs in turn', async () => {
    const { events, sent, settle } = server()
    const namespaces = ['a', 'b', 'c', 'd', 'e', 'f']
    const issues = namespaces.flatMap((namespace) =>
      Array.from({ length: 50 }, (_, index) => {
        const each = issue(`p-${index}`)
        return { ...each, object: { ...each.object, namespace } }
      }),
    )
    events.set(issues)
    await settle()
    const first = sent.slice(0, 24).map(({ path }) => path.split('/')[4])
    expect(
      Map.groupBy(first, (each) => each)
        .values()
        .toArray()
        .map(({ length }) => length),
    ).toEqual(Array(6).fill(4))
  })

  test('that may not be written are said to be so once, and left for ten minutes', async () => {
    const { events, sent, slept, log, settle } = server(() => 403)
    events.set([issue('a')])
    await settle()
    expect(sent.length).toBe(1)
    expect(log).toEqual([
      'Events cannot be written, the log has all: POST /api/v1/namespaces/shop/events: 403',
    ])
    expect(slept[0]).toBe(600_000)
  })
})
