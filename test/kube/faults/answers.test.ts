/** The API server is out of reach, refuses, or answers with errors: what was enforced stays, and all heals by itself. */
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { type Asked, type Fate, type FaultProxy, passes } from './fault-proxy.ts'
import { Ground, WATCHES } from './ground.ts'

let ground: Ground

beforeAll(async () => {
  ground = await Ground.create()
})

afterAll(async () => {
  await ground?.[Symbol.asyncDispose]()
})

/** From here on every request meets this, and since all connections break, every kind makes one. */
function everything(proxy: FaultProxy, fate: (asked: Asked) => Fate): void {
  proxy.fate = fate
  proxy.breakAll()
}

function nothing(proxy: FaultProxy): void {
  proxy.fate = () => passes
}

function status(code: number, headers: Readonly<Record<string, string>> = {}): Fate {
  const body = { kind: 'Status', apiVersion: 'v1', status: 'Failure', message: `injected ${code}`, code }
  return {
    kind: 'answered',
    status: code,
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  }
}

describe.concurrent('the API server', () => {
  test('is gone, and back', async () => {
    await using trial = await ground.trial()
    const { proxy, daemon } = trial
    await trial.endure('connection refused', {
      begin: () => proxy.refuse(),
      end: () => proxy.accept(),
      requests: () => trial.dials,
      met: () => daemon.log.filter(({ msg }) => msg.includes('ECONNREFUSED')).length === 4,
    })
  })

  test.for([
    ['500', status(500), 40],
    ['503', status(503), 40],
    ['an error page of something in between', { ...status(502), body: '<html>Bad Gateway' }, 40],
    // Each watch asks once, is told to wait, and may ask once more.
    ['429 with Retry-After', status(429, { 'retry-after': '2' }), 15],
    ['503 with Retry-After', status(503, { 'retry-after': '2' }), 15],
    // A request on a kept connection is repeated once at once.
    ['connections that break', { kind: 'reset' }, 50],
  ] as const)('answers with %s for a while', async ([name, fate, mostRequests]) => {
    await using trial = await ground.trial()
    const { proxy } = trial
    const from = proxy.requests.length
    await trial.endure(name, {
      begin: () => everything(proxy, () => fate),
      end: () => nothing(proxy),
      met: () => proxy.count(from) >= WATCHES,
      mostRequests,
    })
  })

  test('answers with nothing for half a minute, then goes on', async () => {
    await using trial = await ground.trial()
    const { proxy } = trial
    const from = proxy.requests.length
    const { promise, resolve } = Promise.withResolvers<void>()
    await trial.endure('no answer for 30 s', {
      begin: async () => {
        everything(proxy, () => ({ kind: 'held', until: promise }))
        await trial.until('every watch has asked', async () => proxy.count(from) >= WATCHES)
        await trial.moveTime({ monotonicMs: 30_000 })
      },
      end: () => resolve(),
      // Patience: nobody asks a second time.
      mostRequests: WATCHES,
    })
  })

  test('answers with nothing for minutes, and is given up and asked again', async () => {
    await using trial = await ground.trial()
    const { proxy, daemon } = trial
    const from = proxy.requests.length
    await trial.endure('no answer at all', {
      begin: async () => {
        everything(proxy, () => ({ kind: 'held', until: new Promise(() => undefined) }))
        await trial.until('every watch has asked', async () => proxy.count(from) >= WATCHES)
        await trial.moveTime({ monotonicMs: 71_000 })
      },
      met: () => daemon.log.filter(({ msg }) => msg.includes('no answer within 70 s')).length === 4,
      // Those who ask again are held again; they are let go with their connections.
      end: () => everything(proxy, () => passes),
    })
  })

  test('answers so slowly that each byte is late', async () => {
    await using trial = await ground.trial()
    const { proxy } = trial
    await trial.getRound('a byte in two milliseconds', {
      begin: () => everything(proxy, () => ({ kind: 'slow', msPerByte: 2 })),
      end: () => everything(proxy, () => passes),
      mostRequests: 2 * WATCHES,
    })
  })

  test('no longer takes the token, until another is in its file', async () => {
    let file = ''
    let revoked = ''
    await using trial = await ground.trial({
      user: async ({ token }) => {
        file = join(ground.cp.directory, 'rotated-token')
        revoked = `Bearer ${token}`
        await writeFile(file, token)
        return { tokenFile: file }
      },
    })
    const { proxy, daemon } = trial
    const config = await ground.cp.serviceAccountKubeconfig('kube-system', 'multi-networkpolicy')
    await trial.endure('401', {
      begin: () =>
        everything(proxy, ({ authorization }) =>
          authorization === revoked ? { kind: 'altered', authorization: 'Bearer revoked' } : passes,
        ),
      met: () => daemon.log.filter(({ msg }) => msg.includes('401 Unauthorized')).length === 4,
      // Each try is made twice, the second time with credentials that were read again.
      mostRequests: 80,
      end: async () => {
        const { users } = parse(await readFile(config, 'utf8')) as { users: { user: { token: string } }[] }
        await writeFile(`${file}.part`, `${users[0]?.user.token}\n`)
        await rename(`${file}.part`, file)
      },
    })
  })

  test('forbids one kind, and the others go on', async () => {
    await using trial = await ground.trial()
    const { proxy, daemon } = trial
    await ground.cp.api('POST', '/api/v1/namespaces/shop/serviceaccounts', { metadata: { name: 'nobody' } })
    const path = await ground.cp.serviceAccountKubeconfig('shop', 'nobody')
    const { users } = parse(await readFile(path, 'utf8')) as { users: { user: { token: string } }[] }
    const fate: Fate = { kind: 'altered', authorization: `Bearer ${users[0]?.user.token}` }
    await trial.getRound('403 for pods', {
      begin: () => everything(proxy, ({ plural }) => (plural === 'pods' ? fate : passes)),
      met: () => daemon.log.some(({ msg }) => /\/api\/v1\/pods: 403 Forbidden.*nobody/.test(msg)),
      end: () => nothing(proxy),
    })
    await daemon.logged(/Pod: recovered/, 60_000)
    expect(daemon.log.filter(({ msg }) => msg.includes('403'))).toHaveLength(1)
  })
})
