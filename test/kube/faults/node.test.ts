/** The node itself is at fault: its clock jumps, or it has no memory left for the daemon. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { DaemonProcess } from '../../daemon.ts'
import { passes } from './fault-proxy.ts'
import { Ground } from './ground.ts'
import { MemoryLimit } from './memory-limit.ts'
import type { Trial } from './trial.ts'

const HOURS = 3_600_000
const PODS = 3_000
const WORKERS = 16

let ground: Ground

beforeAll(async () => {
  ground = await Ground.create()
})

afterAll(async () => {
  await ground?.[Symbol.asyncDispose]()
})

async function otherToken(): Promise<string> {
  const path = await ground.cp.serviceAccountKubeconfig('kube-system', 'multi-networkpolicy')
  const { users } = parse(await readFile(path, 'utf8')) as { users: [{ user: { token: string } }] }
  return users[0].user.token
}

describe.concurrent('the wall clock', () => {
  test('jumps by half a day in either direction, and nothing is listed anew or missed', async () => {
    await using trial = await ground.trial()
    const { proxy } = trial
    for (const hours of [12, -24, 12]) {
      const from = proxy.requests.length
      await trial.moveTime({ wallMs: hours * HOURS })
      await trial.enforces(await trial.allow())
      expect(proxy.count(from)).toBe(0)
      // Where a watch ends it is looked whether a list is due.
      proxy.breakWatches('multi-networkpolicies')
      await trial.rewatched(from, 'multi-networkpolicies')
      // One object is listed to learn the version that the store is at.
      const asked = proxy.requests.slice(from).filter(({ query }) => query.get('limit') !== '1')
      expect(asked).toMatchObject([{ verb: 'watch' }])
    }
    await trial.enforces(await trial.allow())
  })

  test('jumps back, and a token file that changes after that is read all the same', async () => {
    let file = ''
    let revoked = ''
    await using trial = await ground.trial({
      user: async ({ token }) => {
        file = join(ground.cp.directory, 'token-of-tomorrow')
        revoked = `Bearer ${token}`
        await writeFile(file, token)
        return { tokenFile: file }
      },
    })
    const { proxy } = trial
    await trial.moveTime({ wallMs: -12 * HOURS })
    await writeFile(file, await otherToken())
    proxy.fate = ({ authorization }) =>
      authorization === revoked ? { kind: 'altered', authorization: 'Bearer revoked' } : passes
    proxy.breakAll()
    await trial.enforces(await trial.allow())
  })

  test.for([12, -12])('jumps by %d hours, and a plugin’s credentials go on being renewed', async (hours) => {
    const runs = join(ground.cp.directory, `runs${hours}`)
    await using trial = await ground.trial({
      user: async ({ token }) => {
        const status = { token, expirationTimestamp: new Date(Date.now() + HOURS).toISOString() }
        const credential = { apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status }
        const args = ['-c', 'echo >> "$0"; echo "$1"', runs, JSON.stringify(credential)]
        return {
          exec: {
            apiVersion: credential.apiVersion,
            command: 'sh',
            args,
            interactiveMode: 'Never',
          },
        }
      },
    })
    const { proxy } = trial
    await trial.moveTime({ wallMs: hours * HOURS })
    proxy.breakAll()
    await trial.enforces(await trial.allow())
    expect((await readFile(runs, 'utf8')).length).toBeLessThanOrEqual(proxy.requests.length)
  })
})

describe('memory', () => {
  beforeAll(async () => {
    let next = 0
    const worker = async (): Promise<void> => {
      for (let index = next++; index < PODS; index = next++) await createPod(index)
    }
    await Promise.all(Array.from({ length: WORKERS }, worker))
  })

  async function createPod(index: number): Promise<void> {
    const address = `10.${100 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`
    const networks = [{ name: 'shop/red', interface: 'net1', ips: [address] }]
    await ground.cp.api('POST', '/api/v1/namespaces/shop/pods', {
      metadata: {
        name: `other-${index}`,
        labels: { app: `app-${index % 50}`, role: 'other' },
        annotations: { 'k8s.v1.cni.cncf.io/network-status': JSON.stringify(networks) },
      },
      spec: { nodeName: `other-${index % 100}`, containers: [{ name: 'main', image: 'none' }] },
    })
  }

  test(`of 150 MiB is enough with ${PODS} pods in the API, relists included`, async () => {
    await using limit = await MemoryLimit.create(150)
    await using trial = await ground.trial({ command: limit.command, bare: true })
    const { proxy, daemon } = trial
    for (let round = 0; round < 3; round++) {
      const from = proxy.requests.length
      proxy.inject('pods', 'xx\n')
      await trial.rewatched(from, 'pods')
    }
    await trial.enforces(await trial.allow())
    expect(await daemon.status('/readyz')).toBe(200)
    console.log(`150 MiB, ${PODS} pods | peak ${(await limit.peak()).toFixed(0)} MiB`)
  })

  test('far too little of it has the daemon killed, and nothing that was enforced is lost', async () => {
    await using trial = await ground.trial({ bare: true })
    const before = await trial.rules()
    await trial.daemon.stop('SIGKILL')
    await killed(trial, 24)
    expect(await trial.rules()).toBe(before)
    const port = await trial.allow()
    await using next = await DaemonProcess.start(trial.flags)
    await next.ready(60_000)
    expect(await trial.rules()).toContain(`dport ${port} `)
  })
})

/** Starts the daemon once more with so many MiB, and waits for its end. */
async function killed(trial: Trial, mebibytes: number): Promise<void> {
  await using limit = await MemoryLimit.create(mebibytes)
  await using doomed = await DaemonProcess.start(trial.flags, {}, limit.command)
  await doomed.until('it is killed', async () => !alive(doomed.pid), 60_000)
  // Not by itself, and not by us.
  expect(doomed.exitCode).toBeNull()
}

function alive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
