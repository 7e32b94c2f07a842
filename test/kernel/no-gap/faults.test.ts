/**
 * Faults at the node, under traffic: nft that fails, dies, hangs or is missing, pods that vanish, rules that somebody
 * flushed, manifests that are gone, ten thousand Issues. What was enforced stays, the daemon lives, heals by itself, and
 * is not kept busy by it.
 */
import { mkdir, rename, rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LogLine } from '../../daemon.ts'
import { MS, now, until } from '../../lab/clock.ts'
import { type KubeObject, podObject } from '../../manifests.ts'
import { BACKENDS, rulesOf, withoutCounters } from './backends.ts'
import { expectNoHotLoop } from './cpu.ts'
import { FaultyNft, type NftFault } from './faulty-nft.ts'
import { ALLOW_OK, governA, OK, World } from './world.ts'

const PACKETS_PER_SECOND = 2000
const FAULT_MS = 3000
const EDITS_MEANWHILE = 10
/** A call that hangs is given up after 30 s. */
const HEAL_MS = 45_000
const OWN_TABLE =
  'table inet app { counter seen { packets 7 bytes 7; }; chain input { type filter hook input priority 10; policy accept; counter; }; }'

describe.each(BACKENDS)('faults under traffic, %s', (backend) => {
  let world: World
  let nft: FaultyNft
  let edits = 0

  beforeAll(async () => {
    nft = await FaultyNft.create()
    world = await World.create('faults', backend)
    await world.manifests.save('policies', [ALLOW_OK])
    await world.pods.a.run(['nft', '-f', '-'], OWN_TABLE)
    await world.startDaemon(['--sync-period=1'], nft.env)
    await world.startTraffic(PACKETS_PER_SECOND)
  })
  afterAll(async () => {
    await world?.[Symbol.asyncDispose]()
    await nft?.[Symbol.asyncDispose]()
  })

  /** Saves an edit that the rules can be told by. @returns its mark in the rules */
  async function edit(more: readonly KubeObject[] = []): Promise<string> {
    const name = `edit-${++edits}`
    await world.manifests.save('policies', [governA(name, { rules: [{ peers: [OK] }] }), ...more])
    return `x/${name}`
  }

  async function inForce(mark: string, timeoutMs = 10_000): Promise<void> {
    await until(
      `${mark} is in force`,
      timeoutMs,
      async () => (await rulesOf(world.pods.a, backend)).includes(mark) || undefined,
    )
  }

  function toldSince(line: number, pattern: RegExp): LogLine | undefined {
    return world.daemon.log.slice(line).find(({ msg, level }) => level !== 'debug' && pattern.test(msg))
  }

  async function told(line: number, pattern: RegExp): Promise<void> {
    await until(`the log tells ${pattern}`, 10_000, async () => toldSince(line, pattern))
  }

  /** Lets nft be well again. @returns ms until the edit is in force and the daemon is ready */
  async function heal(mark: string): Promise<number> {
    await nft.set('none')
    const begin = now()
    await inForce(mark, HEAL_MS)
    await world.daemon.ready(HEAL_MS)
    expect(world.daemon.exitCode).toBeNull()
    return Math.round((now() - begin) / MS)
  }

  test('idle', async () => {
    const marks = await world.traffic.mark()
    await expectNoHotLoop('idle, looking every second', world.daemon.pid, async () => await pass(FAULT_MS))
    await world.traffic.expectNoGap('idle', marks)
  })

  /** Of each, whether none of its calls can change a rule. */
  const faults: readonly { readonly fault: NftFault; readonly stands: boolean }[] = [
    { fault: 'fails', stands: true },
    { fault: 'is killed', stands: true },
    { fault: 'missing', stands: true },
    { fault: 'is killed after its commit', stands: false },
  ]
  test.each(faults)('nft $fault', async ({ fault, stands }) => {
    const before = withoutCounters(await rulesOf(world.pods.a, backend))
    const [line, marks] = [world.daemon.log.length, await world.traffic.mark()]
    await nft.set(fault)
    const mark = await edit()
    await expectNoHotLoop(`nft ${fault}`, world.daemon.pid, async () => {
      await told(line, /Pod x\/a: not enforced yet because/)
      await pass(FAULT_MS)
    })
    if (stands) expect(withoutCounters(await rulesOf(world.pods.a, backend))).toBe(before)
    const ms = await heal(mark)
    await told(line, /no longer an issue: Pod x\/a: not enforced yet/)
    await world.traffic.expectNoGap(`nft ${fault}, healed in ${ms} ms`, marks)
  })

  test(`of the calls of nft some fail, some are killed: ${EDITS_MEANWHILE} edits come into force all the same`, async () => {
    const marks = await world.traffic.mark()
    await nft.set('some')
    let mark = ''
    await expectNoHotLoop('some calls of nft go wrong', world.daemon.pid, async () => {
      for (let number = 0; number < EDITS_MEANWHILE; number++) {
        mark = await edit()
        await inForce(mark, HEAL_MS)
      }
    })
    const ms = await heal(mark)
    await world.traffic.expectNoGap(`some calls of nft go wrong, healed in ${ms} ms`, marks)
  })

  test('nft hangs', async () => {
    const before = withoutCounters(await rulesOf(world.pods.a, backend))
    const marks = await world.traffic.mark()
    await nft.set('hangs')
    const mark = await edit()
    await expectNoHotLoop('nft hangs', world.daemon.pid, async () => await pass(FAULT_MS))
    expect(withoutCounters(await rulesOf(world.pods.a, backend))).toBe(before)
    const ms = await heal(mark)
    await world.traffic.expectNoGap(`nft hangs, healed in ${ms} ms`, marks)
  }, 120_000)

  test('pods vanish while updates run', async () => {
    const [line, marks] = [world.daemon.log.length, await world.traffic.mark()]
    const victims = await world.lab.addPods(
      Array.from({ length: 4 }, (_, index) => ({
        name: `victim-${index}`,
        attachments: [{ segment: 'red', interface: 'net1', addresses: [`10.1.0.${20 + index}/24`] }],
      })),
    )
    const objects = victims.map((pod) =>
      podObject(pod, { namespace: 'x', labels: { app: 'a' }, networks: { red: 'x/red' }, node: 'n1' }),
    )
    await world.save('victims', objects)
    await until('they are governed', 10_000, async () => {
      const rules = await Promise.all(victims.map((pod) => rulesOf(pod, backend)))
      return rules.every((text) => text !== '') || undefined
    })
    await expectNoHotLoop('pods vanish', world.daemon.pid, async () => {
      for (const victim of victims) {
        const removal = world.lab.removePod(victim)
        for (let number = 0; number < EDITS_MEANWHILE; number++) await edit()
        await removal
        await inForce(`x/edit-${edits}`)
      }
      await told(line, /Pod x\/victim-0: not enforced yet because: no network namespace found/)
      await pass(FAULT_MS)
    })
    await world.manifests.remove('victims')
    await told(line, /no longer an issue: Pod x\/victim-0/)
    await world.traffic.expectNoGap('pods vanish', marks)
    expect(world.daemon.exitCode).toBeNull()
  })

  const tampering: readonly (readonly [what: string, command: readonly [string, ...string[]]])[] = [
    ['its table is deleted', ['nft', 'delete', 'table', 'inet', 'multi_networkpolicy']],
    [
      'the rules of the hook that leads to the policies are flushed',
      ['nft', 'flush', 'chain', 'inet', 'multi_networkpolicy', 'input'],
    ],
    [
      'a rule that accepts all is put before the others',
      ['nft', 'insert', 'rule', 'inet', 'multi_networkpolicy', 'input', 'accept'],
    ],
    ['the whole ruleset is flushed', ['nft', 'flush', 'ruleset']],
  ]
  describe.runIf(backend === 'nftables')('somebody tampers with the rules', () => {
    test.each(tampering)('%s: put back at the next look, and told', async (what, command) => {
      const { a } = world.pods
      const before = withoutHandles(await rulesOf(a, backend))
      const line = world.daemon.log.length
      await a.run(command)
      const begin = now()
      await restored(before)
      const ms = Math.round((now() - begin) / MS)
      const marks = await world.traffic.mark()
      if (what.includes('whole ruleset')) await a.run(['nft', '-f', '-'], OWN_TABLE)
      else expect(await a.run(['nft', 'list', 'tables'])).toContain('table inet app')
      await pass(100)
      await world.traffic.expectNoGap(`${what}, put back after ${ms} ms`, marks)
      await told(line, /x\/a: rules were changed by somebody else; they are put back/)
    })

    async function restored(rules: string): Promise<void> {
      await until('the rules are back', 3000, async () => {
        return withoutHandles(await rulesOf(world.pods.a, backend)) === rules || undefined
      })
    }
  })

  test('the tables of the application are left alone', async () => {
    const { a } = world.pods
    const list = async () => withoutCounters(await a.run(['nft', '-a', 'list', 'table', 'inet', 'app']))
    const before = await list()
    await inForce(await edit())
    await world.daemon.stop()
    await world.startDaemon(['--sync-period=1'], nft.env)
    await inForce(await edit())
    expect(await list()).toBe(before)
  })

  test('the manifests directory is gone, and back', async () => {
    const { directory } = world.manifests
    const [line, marks] = [world.daemon.log.length, await world.traffic.mark()]
    const before = withoutCounters(await rulesOf(world.pods.a, backend))
    await rename(directory, `${directory}-away`)
    await expectNoHotLoop('no manifests directory', world.daemon.pid, async () => {
      await told(line, /cannot be read, what it held stays in force/)
      await pass(FAULT_MS)
    })
    await mkdir(directory)
    await pass(50)
    expect(withoutCounters(await rulesOf(world.pods.a, backend))).toBe(before)
    await rm(directory, { recursive: true })
    await rename(`${directory}-away`, directory)
    await inForce(await edit())
    await told(line, /no longer an issue: .*cannot be read/)
    await world.traffic.expectNoGap('no manifests directory', marks)
  })

  test('ten thousand Issues at once', async () => {
    const [line, marks] = [world.daemon.log.length, await world.traffic.mark()]
    const peers = Array.from({ length: 5 }, (_, peer) => ({ ipBlock: { cidr: `10.0.0.${peer}/99` } }))
    const bad = Array.from({ length: 1000 }, (_, index) =>
      governA(`bad-${index}`, { app: 'none', rules: [{ peers }] }),
    )
    const begin = now()
    await inForce(await edit(bad), 30_000)
    await world.daemon.ready(30_000)
    console.log(`10,000 Issues: in force after ${Math.round((now() - begin) / MS)} ms`)
    await told(line, /9900 more in namespace x/)
    await expectNoHotLoop('10,000 Issues stand', world.daemon.pid, async () => await pass(FAULT_MS))
    await inForce(await edit(), 30_000)
    await world.traffic.expectNoGap('10,000 Issues', marks)
    expect(world.daemon.exitCode).toBeNull()
  })
})

function withoutHandles(rules: string): string {
  return withoutCounters(rules).replaceAll(/ # handle \d+/g, '')
}

/** Time for the fault to last, and for packets to be sent in: there is nothing to wait for. */
async function pass(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
}
