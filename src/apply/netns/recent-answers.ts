/**
 * What the container runtime has said of a pod, until there is an occasion to ask it again: an answer takes two calls and
 * some milliseconds, and an edit of a policy that governs a hundred pods asks for all of them.
 *
 * An answer counts for as long as nothing is told of the pod, and only for the very namespace that it led to.
 */
import { LRUCache } from 'lru-cache'
import type { NetnsAccess } from 'nftables-json/netns'
import { type NamespacedName, nameOf, type Pod } from '../../compile/model.ts'
import type { HostView } from './cri-host.ts'
import { instanceOf } from './instance.ts'
import type { NamedNetns } from './netns-directory.ts'
import { type OpenNetns, openNetns } from './open-netns.ts'

interface Answer {
  /** As it was then: whatever is told of it makes another object. */
  readonly pod: Pod
  readonly netns: NamedNetns
  readonly instance: string
}

/** More than a node has pods; those that are gone are among them for a while. */
const MOST = 512

/** Whatever `--sync-period` says. */
const LONGEST_MS = 60_000

export class RecentAnswers {
  readonly #view: HostView
  readonly #access: NetnsAccess | undefined
  readonly #answers = new LRUCache<NamespacedName, Answer>({ max: MOST, ttl: LONGEST_MS })
  #doubts = 0

  constructor(view: HostView, access: NetnsAccess | undefined) {
    this.#view = view
    this.#access = access
  }

  /** Grows with each occasion to ask again: an answer to a question of before is to be forgotten. */
  get doubts(): number {
    return this.#doubts
  }

  /** Where nothing can tell one namespace from a later one, nothing is remembered. */
  note(pod: Pod, netns: NamedNetns, opened: OpenNetns): void {
    const instance = instanceOf(opened, this.#access)
    if (instance !== undefined) this.#answers.set(nameOf(pod), { pod, netns, instance })
  }

  /** Undefined where the runtime has to be asked. */
  async open(pod: Pod): Promise<OpenNetns | undefined> {
    const answer = this.#answers.get(nameOf(pod))
    if (answer?.pod !== pod) return undefined
    const located = await openNetns(answer.netns.path, this.#view, answer.netns.identity)
    if (located.kind === 'found') {
      if (instanceOf(located.netns, this.#access) === answer.instance) return located.netns
      await located.netns[Symbol.asyncDispose]()
    }
    this.forget(nameOf(pod))
    return undefined
  }

  forget(pod: NamespacedName): void {
    this.#doubts += 1
    this.#answers.delete(pod)
  }

  /** All are asked for again. */
  clear(): void {
    this.#doubts += 1
    this.#answers.clear()
  }
}
