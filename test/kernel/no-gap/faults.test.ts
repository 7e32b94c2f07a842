/**
 * Faults at the node, under traffic: nft, or iptables' programs, that fail, die, hang or are missing, pods that vanish, rules
 * that somebody flushed, manifests that are gone, ten thousand Issues. What was enforced stays, the daemon lives, heals by
 * itself, and is not kept busy by it.
 */
import { mkdir, rename, rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { MS, now, until } from '../../lab/clock.ts'
import { podObject } from '../../manifests.ts'
import { expectNoHotLoop } from '../cpu.ts'
import { BACKENDS, partsOf, rulesOf, withoutCounters } from './backends.ts'
import { FaultStage } from './fault-stage.ts'
import { LEVERS } from './levers.ts'
import { governA } from './world.ts'

const FAULT_MS = 2000
const EDITS_MEANWHILE = 10

describe.each(BACKENDS)('faults under traffic, %s', (backend) => {
  const levers = LEVERS[backend]
  let stage: FaultStage
  let world: FaultStage['world']

  beforeAll(async () => {
    stage = await FaultStage.create(backend)
    world = stage.world
  })
  afterAll(async () => await stage?.[Symbol.asyncDispose]())

  const standing = async (): Promise<string> => withoutCounters(await rulesOf(world.pods.a, backend))

  test('idle', async () => {
    const marks = await world.traffic.mark()
    await expectNoHotLoop('idle, looking every second', world.daemon.pid, async () => await pass(FAULT_MS))
    await world.traffic.expectNoGap('idle', marks)
  })

  test.each(levers.faults)('$name $fault', async ({ name, programs, fault, stands }) => {
    const before = await standing()
    const [line, marks] = [world.daemon.log.length, await world.traffic.mark()]
    await stage.programs.set(fault, programs)
    const mark = await stage.edit()
    await expectNoHotLoop(`${name} ${fault}`, world.daemon.pid, async () => {
      await stage.told(line, /Pod x\/a: not enforced yet because/)
      await pass(FAULT_MS)
    })
    if (stands) expect(await standing()).toBe(before)
    const ms = await stage.heal(mark)
    await stage.told(line, /no longer an issue: Pod x\/a: not enforced yet/)
    await world.traffic.expectNoGap(`${name} ${fault}, healed in ${ms} ms`, marks)
  })

  test(`of all calls some fail, some are killed: ${EDITS_MEANWHILE} edits come into force all the same`, async () => {
    const marks = await world.traffic.mark()
    await stage.programs.set('some')
    let mark = ''
    for (let number = 0; number < EDITS_MEANWHILE; number++) {
      mark = await stage.edit()
      await stage.inForce(mark, 45_000)
    }
    const ms = await stage.heal(mark)
    await world.traffic.expectNoGap(`some calls go wrong, healed in ${ms} ms`, marks)
  })

  // The 30 s after which a call is given up are spent once; the other backend's programs wait for less.
  if (backend === 'nftables')
    test('nft hangs', async () => {
      const before = await standing()
      const marks = await world.traffic.mark()
      await stage.programs.set('hangs')
      const mark = await stage.edit()
      await expectNoHotLoop('nft hangs', world.daemon.pid, async () => await pass(FAULT_MS))
      expect(await standing()).toBe(before)
      const ms = await stage.heal(mark)
      await world.traffic.expectNoGap(`nft hangs, healed in ${ms} ms`, marks)
    }, 120_000)

  test('what commits stalls, and goes on when there is an edit more', async () => {
    const before = await standing()
    const marks = await world.traffic.mark()
    await stage.programs.set('stalls', levers.writers)
    await stage.edit()
    await expectNoHotLoop('stalled', world.daemon.pid, async () => await pass(FAULT_MS))
    const mark = await stage.edit()
    await pass(100)
    expect(await standing()).toBe(before)
    const ms = await stage.heal(mark)
    await world.traffic.expectNoGap(`stalled, healed in ${ms} ms`, marks)
  })

  if (backend === 'iptables')
    describe('what only iptables has', () => {
      test.each([
        ['iptables-restore', 0],
        ['ip6tables-restore', 1],
      ] as const)('%s fails: the other family has the edit, this one what it had', async (program, place) => {
        const { a } = world.pods
        const before = await partsOf(a, backend)
        const [line, marks] = [world.daemon.log.length, await world.traffic.mark()]
        await stage.programs.set('fails', [program])
        const mark = await stage.edit()
        await stage.told(line, /Pod x\/a: not enforced yet because: .*made to fail/)
        const meanwhile = await partsOf(a, backend)
        expect(withoutCounters(meanwhile[place] ?? '')).toBe(withoutCounters(before[place] ?? ''))
        expect(meanwhile[1 - place]).toContain(mark)
        const ms = await stage.heal(mark)
        await world.traffic.expectNoGap(`${program} fails, healed in ${ms} ms`, marks)
      })

      test.each(['fails', 'is killed', 'missing', 'is killed after its commit'] as const)(
        'ipset %s: peers are a rule each until it is back',
        async (fault) => {
          const marks = await world.traffic.mark()
          await stage.inForce(await stage.edit())
          expect(await standing()).toContain('--match-set mnpd-')
          await stage.programs.set(fault, ['ipset'])
          await stage.inForce(await stage.edit())
          await world.daemon.ready()
          expect(await standing()).not.toContain('--match-set')
          await stage.programs.set('none')
          await stage.inForce(await stage.edit())
          await world.daemon.ready()
          expect(await setsLeft()).toEqual(await setsNamed())
          await world.traffic.expectNoGap(`ipset ${fault}`, marks)
        },
      )

      test.each(['fails', 'missing'] as const)(
        'ipset %s while nothing changes: no drift is told of',
        async (fault) => {
          await stage.inForce(await stage.edit())
          await world.daemon.ready()
          expect(await standing()).toContain('--match-set mnpd-')
          const [line, marks] = [world.daemon.log.length, await world.traffic.mark()]
          for (const now of [fault, 'none'] as const) {
            await stage.programs.set(now, ['ipset'])
            const looks = world.daemon.log.length
            await until('it is looked at twice', 30_000, async () => {
              const done = world.daemon.log.slice(looks).filter(({ msg }) => msg === 'x/a: as desired')
              return done.length > 1 || undefined
            })
          }
          const drifts = world.daemon.log
            .slice(line)
            .filter(({ msg }) => /changed by somebody else/.test(msg))
          expect(drifts).toEqual([])
          await stage.inForce(await stage.edit())
          await world.daemon.ready()
          expect(await setsLeft()).toEqual(await setsNamed())
          await world.traffic.expectNoGap(`ipset ${fault} while nothing changes`, marks)
        },
      )

      async function setsNamed(): Promise<readonly string[]> {
        return [
          ...new Set([...(await standing()).matchAll(/--match-set (\S+)/g)].map(([, name = '']) => name)),
        ].sort()
      }

      async function setsLeft(): Promise<readonly string[]> {
        return (await world.pods.a.run(['ipset', 'list', '-n'])).split('\n').filter(Boolean).sort()
      }
    })

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
    await world.manifests.save('victims', objects)
    onTestFinished(async () => await world.manifests.remove('victims').catch(() => undefined))
    await until('they are governed', 30_000, async () => {
      const rules = await Promise.all(victims.map((pod) => rulesOf(pod, backend)))
      return rules.every((text) => text !== '') || undefined
    })
    await expectNoHotLoop('pods vanish', world.daemon.pid, async () => {
      for (const victim of victims) {
        const removal = world.lab.removePod(victim)
        let mark = ''
        for (let number = 0; number < EDITS_MEANWHILE; number++) mark = await stage.edit()
        await removal
        await stage.inForce(mark)
      }
      await stage.told(line, /Pod x\/victim-0: not enforced yet because: no network namespace found/)
      await pass(FAULT_MS)
    })
    await world.manifests.remove('victims')
    await stage.told(line, /no longer an issue: Pod x\/victim-0/)
    await world.traffic.expectNoGap('pods vanish', marks)
    expect(world.daemon.exitCode).toBeNull()
  })

  test.each(levers.tampering)(
    'somebody tampers, $what: put back at the next look, and told',
    async ({ what, command, undo, all }) => {
      const { a } = world.pods
      await stage.inForce(await stage.edit())
      await world.daemon.ready()
      const before = await levers.ours(a)
      const line = world.daemon.log.length
      await a.run(command)
      const begin = now()
      await until('the rules are back', 10_000, async () => (await levers.ours(a)) === before || undefined)
      const ms = Math.round((now() - begin) / MS)
      const marks = await world.traffic.mark()
      if (all) await levers.loadApplication(a)
      else expect(await a.run(['nft', 'list', 'tables'])).toContain('table inet app')
      if (undo) await a.run(undo)
      await pass(100)
      await world.traffic.expectNoGap(`${what}, put back after ${ms} ms`, marks)
      await stage.told(line, /x\/a: rules were changed by somebody else; they are put back/)
    },
  )

  test('the rules of the application are left alone', async () => {
    const { a } = world.pods
    const before = await levers.application(a)
    await stage.inForce(await stage.edit())
    await world.daemon.stop()
    await stage.startDaemon()
    await stage.inForce(await stage.edit())
    expect(await levers.application(a)).toBe(before)
  })

  test('the manifests directory is gone, and back', async () => {
    const { directory } = world.manifests
    const [line, marks] = [world.daemon.log.length, await world.traffic.mark()]
    const before = await standing()
    await rename(directory, `${directory}-away`)
    await expectNoHotLoop('no manifests directory', world.daemon.pid, async () => {
      await stage.told(line, /cannot be read, what it held stays in force/)
      await pass(FAULT_MS)
    })
    await mkdir(directory)
    await pass(50)
    expect(await standing()).toBe(before)
    await rm(directory, { recursive: true })
    await rename(`${directory}-away`, directory)
    await stage.inForce(await stage.edit())
    await stage.told(line, /no longer an issue: .*cannot be read/)
    await world.traffic.expectNoGap('no manifests directory', marks)
  })

  test('ten thousand Issues at once', async () => {
    const [line, marks] = [world.daemon.log.length, await world.traffic.mark()]
    const peers = Array.from({ length: 5 }, (_, peer) => ({ ipBlock: { cidr: `10.0.0.${peer}/99` } }))
    const bad = Array.from({ length: 1000 }, (_, index) =>
      governA(`bad-${index}`, { app: 'none', rules: [{ peers }] }),
    )
    const begin = now()
    await stage.inForce(await stage.edit(bad), 30_000)
    await world.daemon.ready(30_000)
    console.log(`10,000 Issues: in force after ${Math.round((now() - begin) / MS)} ms`)
    await stage.told(line, /9900 more in namespace x/)
    await expectNoHotLoop('10,000 Issues stand', world.daemon.pid, async () => await pass(FAULT_MS))
    await stage.inForce(await stage.edit(), 30_000)
    await world.traffic.expectNoGap('10,000 Issues', marks)
    expect(world.daemon.exitCode).toBeNull()
  })
})

/** Time for the fault to last, and for packets to be sent in: there is nothing to wait for. */
async function pass(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
}
