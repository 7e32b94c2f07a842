/** Watches and lists that break off, bring nonsense, or lose, double and delay what happened. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { policyObject } from '../../manifests.ts'
import { type Asked, type Fate, passes } from './fault-proxy.ts'
import { Ground } from './ground.ts'
import { eventIn } from './watch-stream.ts'

const POLICIES = 'multi-networkpolicies'
const MINUTES = 60_000

let ground: Ground

beforeAll(async () => {
  ground = await Ground.create()
  const elsewhere = ['a', 'b', 'c', 'd'].map((name) =>
    policyObject('default', name, 'red', { podSelector: {} }),
  )
  await ground.apply(...elsewhere)
  await ground.cp.compact()
})

afterAll(async () => {
  await ground?.[Symbol.asyncDispose]()
})

const expired = {
  kind: 'Status',
  apiVersion: 'v1',
  status: 'Failure',
  reason: 'Expired',
  message: 'too old resource version',
  code: 410,
}

function stream(body: string): Fate {
  return { kind: 'answered', status: 200, headers: { 'content-type': 'application/json' }, body }
}

describe.concurrent('a watch', () => {
  test('that breaks in the middle of a line, each time, goes on where it was once it does not', async () => {
    await using trial = await ground.trial()
    const { proxy, pod } = trial
    let cuts = 0
    await trial.endure('a watch cut within a line', {
      begin: () => {
        proxy.line = (plural, text) => {
          if (plural !== POLICIES || eventIn(text).name !== pod.name) return [{ kind: 'text', text }]
          cuts++
          return [{ kind: 'breaks', text: text.slice(0, text.length / 2) }]
        }
      },
      met: () => cuts >= 3,
      end: () => {
        proxy.line = (_, text) => [{ kind: 'text', text }]
      },
    })
    // The list at the start and no other but those of one object, which ask for the version only: nothing was lost.
    const lists = proxy.requests.filter(({ verb, plural }) => verb === 'list' && plural === POLICIES)
    expect(lists.filter(({ query }) => query.get('limit') !== '1')).toHaveLength(1)
  })

  test('that ends in the middle of a line is made good by a list', async () => {
    await using trial = await ground.trial()
    const { proxy, pod } = trial
    await trial.getRound('a watch ended within a line', {
      begin: () => {
        proxy.line = (plural, text) =>
          plural === POLICIES && eventIn(text).name === pod.name
            ? [{ kind: 'ends', text: text.slice(0, text.length / 2) }]
            : [{ kind: 'text', text }]
      },
      end: () => {
        proxy.line = (_, text) => [{ kind: 'text', text }]
      },
    })
  })

  test.for([
    ['410', { kind: 'answered', status: 410, body: JSON.stringify(expired) }],
    ['an ERROR event of 410', stream(`${JSON.stringify({ type: 'ERROR', object: expired })}\n`)],
    ['an ERROR event without a reason', stream('{"type":"ERROR"}\n')],
    [
      'an event of an unknown type',
      stream('{"type":"NEWS","object":{"metadata":{"resourceVersion":"1"}}}\n'),
    ],
    ['what is no JSON', stream('<html>\n')],
  ] as const)('that brings %s each time it is opened is got round by lists', async ([name, fate]) => {
    await using trial = await ground.trial()
    const { proxy } = trial
    await trial.getRound(`watches bring ${name}`, {
      begin: () => {
        proxy.fate = ({ verb }) => (verb === 'watch' ? fate : passes)
        proxy.breakAll()
      },
      // A list and a watch a try.
      mostRequests: 80,
      end: () => {
        proxy.fate = () => passes
      },
    })
  })

  test('into which nonsense comes once, or word that it is too old, is followed by a list and another watch', async () => {
    await using trial = await ground.trial()
    const { proxy } = trial
    const before = await trial.rules()
    const error = `${JSON.stringify({ type: 'ERROR', object: expired })}\n`
    for (const bytes of ['xx\n', new Uint8Array([0xff, 0xfe, 0x0a]), '{"type":"NEWS"}\n', error]) {
      const from = proxy.requests.length
      proxy.inject(POLICIES, bytes)
      await trial.rewatched(from, POLICIES)
      expect(proxy.requests.slice(from)).toMatchObject([
        { plural: POLICIES, verb: 'list' },
        { plural: POLICIES, verb: 'watch' },
      ])
    }
    expect(await trial.rules()).toBe(before)
    await trial.enforces(await trial.allow())
  })

  test('that is half open is found out after three minutes of silence', async () => {
    await using trial = await ground.trial()
    const { proxy } = trial
    const from = proxy.requests.length
    await trial.endure('a half-open watch', {
      begin: () => proxy.freeze(POLICIES),
      end: () => trial.moveTime({ monotonicMs: 3 * MINUTES + 1 }),
      mostRequests: 0,
    })
    // No list was needed: the watch that takes its place goes on where the mute one stood.
    expect(proxy.count(from, 'list')).toBe(0)
  })
})

describe.concurrent('a list', () => {
  /** Makes the policies be listed anew, in pages of two, and every page but the first meet its fate. */
  const pages =
    (later: (asked: Asked) => Fate) =>
    (asked: Asked): Fate => {
      if (asked.plural !== POLICIES) return passes
      if (asked.verb === 'watch') return { kind: 'answered', status: 410 }
      if (asked.query.has('continue')) return later(asked)
      if (asked.query.get('limit') === null) return passes
      return { kind: 'altered', query: new URLSearchParams({ limit: '2' }) }
    }

  test('whose second page breaks off, each time, changes nothing before it is whole', async () => {
    await using trial = await ground.trial()
    const { proxy } = trial
    const from = proxy.requests.length
    const torn = (): number => proxy.requests.slice(from).filter(({ query }) => query.has('continue')).length
    await trial.endure('a page cut half way', {
      begin: () => {
        proxy.fate = pages(() => ({ kind: 'torn', afterBytes: 300 }))
        proxy.breakWatches(POLICIES)
      },
      met: () => torn() >= 2,
      end: () => {
        proxy.fate = () => passes
      },
    })
  })

  test('whose pages expire is asked for at once in the end', async () => {
    await using trial = await ground.trial()
    const { proxy } = trial
    const from = proxy.requests.length
    await trial.getRound('pages that expire', {
      begin: () => {
        proxy.fate = pages(({ query }) => {
          const aged = new URLSearchParams(query)
          aged.set('continue', agedToken(query.get('continue') ?? ''))
          return { kind: 'altered', query: aged }
        })
        proxy.breakWatches(POLICIES)
      },
      end: () => {
        proxy.fate = () => passes
      },
    })
    expect(proxy.requests.slice(from).filter(({ query }) => query.has('continue')).length).toBeGreaterThan(0)
  })
})

/** A page's token as the API server wrote it, but from the beginning of time. */
function agedToken(token: string): string {
  const content = JSON.parse(Buffer.from(token, 'base64url').toString('utf8')) as object
  return Buffer.from(JSON.stringify({ ...content, rv: 2 })).toString('base64url')
}

describe.concurrent('events', () => {
  test('that are lost for good are made good by the list that comes after 15 to 30 minutes', async () => {
    await using trial = await ground.trial()
    const { proxy, pod } = trial
    let lost = 0
    proxy.line = (plural, text) => {
      if (plural !== POLICIES || eventIn(text).name !== pod.name) return [{ kind: 'text', text }]
      lost++
      return []
    }
    const before = await trial.rules()
    await ground.cp.api('DELETE', `/apis/k8s.cni.cncf.io/v1beta1/namespaces/shop/${POLICIES}/${pod.name}`)
    await trial.until('the event is lost', async () => lost > 0)
    const from = proxy.requests.length
    await trial.moveTime({ monotonicMs: 14 * MINUTES })
    await trial.rewatched(from, POLICIES)
    expect(proxy.count(from, 'list')).toBe(0)
    expect(await trial.rules()).toBe(before)
    await trial.moveTime({ monotonicMs: 16 * MINUTES })
    await trial.until('nothing is governed', async () => (await trial.rules()) === '')
  })

  test('that come twice, and those of one kind late, lead to the same end', async () => {
    await using trial = await ground.trial()
    const { proxy, pod } = trial
    let late: Promise<unknown> = Promise.resolve()
    proxy.line = async (plural, text) => {
      if (plural === 'pods') await late
      return [{ kind: 'text', text: text + text }]
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    late = promise
    const peer = (name: string, address: string, labels: Record<string, string>): Promise<unknown> => {
      const status = [{ name: 'shop/red', interface: 'net1', ips: [address] }]
      const annotations = { 'k8s.v1.cni.cncf.io/network-status': JSON.stringify(status) }
      return ground.cp.createPod({ name, namespace: 'shop', node: 'elsewhere', labels, annotations })
    }
    await peer('stays', '10.1.0.201', { role: 'peer' })
    await peer('goes', '10.1.0.202', { role: 'peer' })
    await peer('moves', '10.1.0.203', { role: 'peer' })
    await peer('changes', '10.1.0.204', { role: 'peer' })
    const from = [{ podSelector: { matchLabels: { role: 'peer' } } }]
    const spec = { podSelector: { matchLabels: { app: pod.name } }, ingress: [{ from }] }
    await ground.apply(policyObject('shop', pod.name, 'red', spec))
    await trial.until('the policy is enforced', async () => !(await trial.rules()).includes('dport'))
    expect(peersIn(await trial.rules())).toEqual([])
    await ground.cp.deletePod('shop', 'goes')
    await ground.cp.deletePod('shop', 'moves')
    await peer('moves', '10.1.0.213', { role: 'peer' })
    const change = { metadata: { labels: { role: 'other' } } }
    await ground.cp.api('PATCH', '/api/v1/namespaces/shop/pods/changes', change)
    resolve()
    const end = ['10.1.0.201', '10.1.0.213']
    await trial.until(`the peers are ${end}`, async () => peersIn(await trial.rules()).join() === end.join())
  })
})

function peersIn(rules: string): string[] {
  return [...new Set(rules.match(/10\.1\.0\.2\d\d/g))].sort()
}
