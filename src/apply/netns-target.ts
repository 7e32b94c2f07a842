/**
 * A pod's ruleset in the pod's network namespace, by one backend.
 *
 * The kernel is the truth. What differs from what was written last is written at once; before anything is left alone as
 * being there already, the kernel is asked, since a namespace can be made anew under the same number, and rules can be
 * taken away. What an earlier process left stays, counters and all, if it is what should be there; what one with another
 * backend left goes once ours stands.
 */
import type { Compilation, PodTarget } from '../compile/compilation.ts'
import { type NamespacedName, nameOf, type Pod } from '../compile/model.ts'
import type { Ruleset } from '../compile/ruleset.ts'
import { writeAssumed } from './assumed-write.ts'
import type { Backend, Expected, Found, Governed, Printed, WriteOutcome } from './backend.ts'
import { mismatches, withAttachments, withdrawn } from './claims.ts'
import type { DropLog } from './drop-log.ts'
import { LargeListings } from './listing-bounds.ts'
import { cookieOf, instanceBy, instanceOf } from './netns/instance.ts'
import type { KernelView } from './netns/kernel.ts'
import type { NetnsLocator } from './netns/locate.ts'
import type { OpenNetns } from './netns/open-netns.ts'
import { keepDirections } from './open-connections.ts'
import { OtherBackends } from './other-backends.ts'
import { otherOwner } from './owner.ts'
import type { Outcome, Target } from './reconciler.ts'
import { isAsLeft, isAsSeen, listByOf, stoodAfter, type Written, type WrittenByPod } from './written.ts'

export interface NetnsTargetOptions<Listed> {
  readonly locator: NetnsLocator
  readonly backend: Backend<Listed>
  /** Whose rules are taken away once ours stand. */
  readonly others: readonly Backend<unknown>[]
  /** The pods of this node as last compiled, governed or not. */
  readonly compilation: () => Compilation
  /** Quick answers about namespaces, where they can be had. */
  readonly kernel?: KernelView | undefined
  readonly dropLog?: DropLog | undefined
  /** Milliseconds from some fixed point. */
  readonly now?: () => number
  /** At least 0, below 1. */
  readonly random?: () => number
  /** Told of each pod in which other rules stand now than before, or may. */
  readonly changed?: (key: string) => void
  /** Told of each pod in which somebody else had changed our rules, as they are put back. */
  readonly drifted?: (key: string) => void
}

/** One look at one pod. */
interface Look<Listed> {
  readonly key: string
  readonly netns: OpenNetns
  readonly known: Written | undefined
  readonly generation: number | undefined
  readonly expected: Expected | undefined
  /** What stood, where it was read. */
  readonly found: Found<Listed> | undefined
  readonly alone: boolean
  readonly printed: Printed<Listed>
  readonly signal: AbortSignal
}

type Failure = Extract<Outcome, { kind: 'failed' }>

interface Stands {
  readonly kind: 'stands'
  /** See `Written`. */
  readonly generation: number | undefined
  readonly stood: number | undefined
  /** It is there as the kernel listed it, not as we wrote it. */
  readonly isListed: boolean
  readonly listBy: number
  readonly remark?: string
}

const DONE: Outcome = { kind: 'done' }
const ABSENT = { kind: 'absent' } as const

export function netnsTarget<Listed>(options: NetnsTargetOptions<Listed>): Target<PodTarget> {
  const { backend } = options
  const written: WrittenByPod = new Map()
  const others = new OtherBackends(options)
  const now = options.now ?? (() => performance.now())
  const listBy = (): number => listByOf(now(), (options.random ?? Math.random)())
  const large = new LargeListings(now)

  /** What stands, but for what was too large to be listed a while ago. */
  async function read(key: string, netns: OpenNetns, signal: AbortSignal): Promise<Found<Listed>> {
    const resting = large.resting(key)
    if (resting !== undefined) return { kind: 'failed', reason: resting, tooLarge: true }
    const found = await backend.read(netns, signal)
    if (found.kind === 'failed' && found.tooLarge === true) large.note(key)
    else large.listed(key)
    return found
  }

  async function update(key: string, { pod }: PodTarget, signal: AbortSignal): Promise<Outcome> {
    const located = await options.locator.locate(pod, signal)
    options.dropLog?.leave(key, located)
    if (located.kind !== 'found') return failed(`no network namespace found: ${located.reason}`)
    await using netns = located.netns
    const wrote = await writeAssumed({ ...options, written, listBy }, key, pod, rulesetOf(pod), netns, signal)
    if (wrote?.kind !== 'done') return wrote ?? (await look(key, pod, netns, signal))
    return remarkable([wrote.remark, large.resting(key)])
  }

  /** Holds what stands against what should, and writes where it differs. */
  async function look(key: string, pod: Pod, netns: OpenNetns, signal: AbortSignal): Promise<Outcome> {
    // Before anything is read: what is changed from here on is seen as a change at the next look.
    const access = options.kernel?.access
    const looked = backend.name === 'nftables' ? access?.look(netns.path) : undefined
    const instance = looked === undefined ? instanceOf(netns, access) : instanceBy(looked.cookie, netns)
    const generation = looked?.generation
    const known = written.get(key)?.instance === instance ? written.get(key) : undefined
    const untouched = known === undefined && options.kernel?.isUntouched(netns, generation) === true
    const aloneAtFirst = known === undefined && (untouched || isAlone(generation, netns, signal))
    const found = known === undefined ? await (untouched ? ABSENT : read(key, netns, signal)) : undefined
    const owner = await otherOwner(options, backend, found, netns, nameOf(pod), signal)
    if (owner !== undefined) return failed(owner)
    const before = untouched ? undefined : await governedBefore(found, pod, netns, signal)
    const lost = await withdrawn(known?.governed ?? before ?? new Map(), pod, netns, signal)
    const ruleset = rulesetOf(lost === undefined ? pod : withAttachments(pod, lost))
    const unmoved = known?.ruleset === ruleset && isAsSeen(known, generation, now()) ? known : undefined
    const alone =
      (await aloneAtFirst) ||
      (known?.alone === true && isAsLeft(known, generation)) ||
      (unmoved !== undefined && unmoved.crowded !== generation && (await isAlone(generation, netns, signal)))
    // What was listed as ours may hold what others put there, until it is as it should be.
    const isOpen = found?.kind === 'listed'
    const printed = unmoved ?? backend.print(ruleset)
    const cookie = cookieOf(instance)
    const isKnown = backend.checks === true && cookie !== undefined && generation !== undefined
    const expected = isKnown ? { cookie, generation, isAssumed: false } : undefined
    const writeAlone = alone && !isOpen
    const stands: Stands | Failure =
      'isThere' in printed
        ? await ensure({ key, netns, known, generation, expected, found, alone: writeAlone, printed, signal })
        : { kind: 'stands', generation, stood: generation, isListed: true, listBy: printed.listBy }
    if (stands.kind === 'failed') return stands
    options.dropLog?.set(key, ruleset?.logDrops === true ? { netns, ruleset } : undefined)
    const isBare = (): boolean => untouched || (alone && options.kernel?.hasLegacyTables(netns) === false)
    const uncleared = known === undefined && !isBare() ? await others.clear(pod, netns, signal) : undefined
    if (uncleared !== undefined) return failed(uncleared)
    const { digest, governed } = printed
    const mismatch = await lookAt(pod, netns, known, digest, signal)
    const attachments = known?.digest === digest ? pod.attachments : undefined
    if (instance === undefined) written.delete(key)
    else
      written.set(key, {
        instance,
        digest,
        governed,
        generation: stands.generation,
        listBy: stands.listBy,
        ruleset,
        stood: stands.stood,
        alone: alone && !(isOpen && !stands.isListed),
        crowded: alone || (known !== undefined && unmoved === undefined) ? undefined : generation,
        attachments,
        mismatch,
      })
    return remarkable([lost?.remark, mismatch, stands.remark, large.resting(key)])
  }

  /** Whether nothing of others is there in that generation: after a restart, and after others were there. A process. */
  async function isAlone(
    generation: number | undefined,
    netns: OpenNetns,
    signal: AbortSignal,
  ): Promise<boolean> {
    if (generation === undefined || (await backend.isAlone?.(netns, signal)) !== true) return false
    return options.kernel?.generation(netns) === generation
  }

  /** Has the kernel hold what is printed, if it does not already. */
  async function ensure(look: Look<Listed>): Promise<Stands | Failure> {
    const { key, netns, known, generation, expected, found, alone, printed, signal } = look
    const asBefore = known?.digest === printed.digest
    if (asBefore && isAsSeen(known, generation, now()))
      return { kind: 'stands', generation, stood: generation, isListed: true, listBy: known.listBy }
    const isLarge = large.resting(key) !== undefined
    if (asBefore && isLarge && isAsLeft(known, generation))
      return {
        kind: 'stands',
        generation: undefined,
        stood: generation,
        isListed: false,
        listBy: known.listBy,
      }
    const left = known !== undefined && isAsLeft(known, generation) ? known : undefined
    const isAsked = asBefore || (isLarge && left === undefined)
    const stood = found ?? (isAsked ? await read(key, netns, signal) : undefined)
    const isThere = stood !== undefined && printed.isThere(stood)
    if (isThere) {
      if (known === undefined) options.changed?.(key)
      return { kind: 'stands', generation, stood: generation, isListed: true, listBy: listBy() }
    }
    // From here on it is not known what stands, until the backend says that all of it does.
    written.delete(key)
    if (asBefore && (stood?.kind !== 'failed' || stood.tooLarge === true)) options.drifted?.(key)
    const unkept = found?.kind === 'absent' ? await keepConnections(netns, signal) : undefined
    // A change leaves what it does not touch as it was.
    const from = stood === undefined ? left : undefined
    const stands = from && backend.print(from.ruleset)
    const first = await printed.write(netns, signal, { found: stood, stands, alone, expected })
    const outcome = first.kind === 'moved' ? await printed.write(netns, signal) : first
    if (outcome.kind !== 'done') return unwritten(outcome)
    options.changed?.(key)
    const since = first === outcome ? stoodAfter(netns, generation, outcome, options.kernel) : undefined
    const remark = unkept && { remark: unkept }
    const by = from?.listBy ?? listBy()
    return { kind: 'stands', generation: since, stood: since, isListed: false, listBy: by, ...remark }
  }

  async function keepConnections(netns: OpenNetns, signal: AbortSignal): Promise<string | undefined> {
    if (options.kernel?.hasConnections(netns) === false) return undefined
    const reason = await keepDirections(netns, signal)
    return reason && `who opened the connections of before is not known to the kernel: ${reason}`
  }

  /**
   * What the annotation tells and the netns does not have. It costs a process, and rules go first: it is looked at when
   * the rules were there already, and again only when the annotation changed or was found wrong.
   */
  async function lookAt(
    pod: Pod,
    netns: OpenNetns,
    known: Written | undefined,
    digest: string,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const asBefore = known?.attachments === pod.attachments && known.mismatch === undefined
    if (known?.digest !== digest || asBefore) return known?.mismatch
    return await mismatches(rulesetOf(pod), pod, netns, backend.name, signal)
  }

  async function remove(key: string, signal: AbortSignal): Promise<Outcome> {
    written.delete(key)
    options.dropLog?.set(key, undefined)
    if (!options.compilation().targets.has(key as NamespacedName)) large.forget(key)
    const outcome = await takeAway(key, signal)
    options.changed?.(key)
    return outcome
  }

  /** A pod that is gone takes its rules with it; while its netns still lives, they stay. */
  async function takeAway(key: string, signal: AbortSignal): Promise<Outcome> {
    const pod = options.compilation().targets.get(key as NamespacedName)?.pod
    if (pod === undefined) return DONE
    const located = await options.locator.locate(pod, signal)
    if (located.kind === 'unknown') return failed(`no network namespace found: ${located.reason}`)
    if (located.kind === 'absent') return DONE
    await using netns = located.netns
    const found = await read(key, netns, signal)
    if ((await otherOwner(options, backend, found, netns, nameOf(pod), signal)) !== undefined) return DONE
    if (found.kind === 'failed' && found.tooLarge !== true) return failed(found.reason)
    if (found.kind === 'absent' && options.kernel?.isUntouched(netns) !== true) {
      const lost = await withdrawn(await governedBefore(found, pod, netns, signal), pod, netns, signal)
      // Another backend's rules go once ours stand.
      if (lost !== undefined) return remarked(await update(key, { pod, ruleset: undefined }, signal))
    }
    const left = await others.clear(pod, netns, signal)
    if (found.kind === 'absent' || left !== undefined) return left === undefined ? DONE : failed(left)
    const lost = await withdrawn(governedIn(found), pod, netns, signal)
    const printed = backend.print(rulesetOf(lost === undefined ? pod : withAttachments(pod, lost)))
    const wrote = printed.isThere(found) ? DONE : await printed.write(netns, signal, { found })
    const outcome = wrote.kind === 'done' ? DONE : unwritten(wrote)
    return outcome.kind === 'done' && lost !== undefined && printed.governed.size > 0
      ? failed(lost.remark)
      : outcome
  }

  /** Any pod of the node may hold a table that an earlier process left. */
  async function prune(desired: ReadonlySet<string>): Promise<readonly string[]> {
    return [...options.compilation().targets.keys()].filter((key) => !desired.has(key))
  }

  /** By the policies of the moment, which may be newer than the wish that led here. */
  function rulesetOf(pod: Pod): Ruleset | undefined {
    return options.compilation().rulesetOf(pod)
  }

  /** By what stands of ours, or of another backend's where it is the first time that ours is asked to write there. */
  async function governedBefore(
    found: Found<Listed> | undefined,
    pod: Pod,
    netns: OpenNetns,
    signal: AbortSignal,
  ): Promise<Governed> {
    return found?.kind === 'absent' ? await others.governed(pod, netns, signal) : governedIn(found)
  }

  function governedIn(found: Found<Listed> | undefined): Governed {
    return found?.kind === 'listed' ? backend.governedBy(found.listed) : new Map()
  }

  return { update, delete: remove, prune }
}

/** What is there though it should not be: looked at again as what failed is. */
function remarked(outcome: Outcome): Outcome {
  return outcome.kind === 'done' && outcome.remark !== undefined ? failed(outcome.remark) : outcome
}

function unwritten(outcome: Exclude<WriteOutcome, { kind: 'done' }>): Failure {
  return outcome.kind === 'failed' ? outcome : failed('somebody else keeps changing what stands')
}

function remarkable(remarks: readonly (string | undefined)[]): Outcome {
  const remark = remarks.filter((each) => each !== undefined).join('; ')
  return remark === '' ? DONE : { kind: 'done', remark }
}

function failed(reason: string): Failure {
  return { kind: 'failed', reason }
}
