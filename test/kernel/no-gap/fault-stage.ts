/** The world of the fault suite: a daemon whose programs go wrong when told to, under traffic, and edits to wait for. */
import { expect } from 'vitest'
import type { LogLine } from '../../daemon.ts'
import { MS, now, until } from '../../lab/clock.ts'
import type { KubeObject } from '../../manifests.ts'
import { type Backend, partsOf } from './backends.ts'
import { FaultyPrograms } from './faulty-programs.ts'
import { LEVERS, type Levers } from './levers.ts'
import { ALLOW_OK, GHOSTS, governA, World } from './world.ts'

const PACKETS_PER_SECOND = 2000
const TIMEOUT_MS = 20_000
/** A call that hangs is given up after 30 s. */
const HEAL_MS = 45_000

export class FaultStage implements AsyncDisposable {
  readonly world: World
  readonly programs: FaultyPrograms
  readonly levers: Levers
  #edits = 0

  private constructor(world: World, programs: FaultyPrograms) {
    this.world = world
    this.programs = programs
    this.levers = LEVERS[world.backend]
  }

  static async create(backend: Backend): Promise<FaultStage> {
    const { programs, oneIn, loadApplication } = LEVERS[backend]
    const faulty = await FaultyPrograms.create(programs, oneIn)
    const stage = new FaultStage(await World.create('faults', backend), faulty)
    const { world } = stage
    await world.manifests.save('policies', [ALLOW_OK])
    await loadApplication(world.pods.a)
    await stage.startDaemon()
    await world.startTraffic(PACKETS_PER_SECOND)
    return stage
  }

  async startDaemon(): Promise<void> {
    await this.world.startDaemon(['--sync-period=1'], this.programs.env)
  }

  /**
   * Saves an edit that the rules can be told by. The peers are `ok` and others by turns, so many that they are a set, which
   * each edit has another one of.
   * @returns its mark in the rules
   */
  async edit(more: readonly KubeObject[] = []): Promise<string> {
    const name = `edit-${++this.#edits}`
    const ghosts = Array.from({ length: GHOSTS }, (_, number) => `g${number}`)
    const values = ['ok', ...ghosts.toSpliced(this.#edits % GHOSTS, 1)]
    const peers = [{ podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values }] } }]
    await this.world.manifests.save('policies', [governA(name, { rules: [{ peers }] }), ...more])
    return `x/${name}`
  }

  /** Waits until the mark stands in every part of the rules. */
  async inForce(mark: string, timeoutMs: number = TIMEOUT_MS): Promise<void> {
    await until(`${mark} is in force`, timeoutMs, async () => {
      const parts = await partsOf(this.world.pods.a, this.world.backend)
      return parts.every((rules) => rules.includes(mark)) || undefined
    })
  }

  async told(line: number, pattern: RegExp): Promise<void> {
    await until(`the log tells ${pattern}`, TIMEOUT_MS, async () => this.#toldSince(line, pattern))
  }

  /** Lets all programs be well again. @returns ms until the edit is in force and the daemon is ready */
  async heal(mark: string): Promise<number> {
    await this.programs.set('none')
    const begin = now()
    await this.inForce(mark, HEAL_MS)
    await this.world.daemon.ready(HEAL_MS)
    expect(this.world.daemon.exitCode).toBeNull()
    return Math.round((now() - begin) / MS)
  }

  #toldSince(line: number, pattern: RegExp): LogLine | undefined {
    return this.world.daemon.log.slice(line).find(({ msg, level }) => level !== 'debug' && pattern.test(msg))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]()
    await this.programs[Symbol.asyncDispose]()
  }
}
