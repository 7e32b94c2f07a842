/** What is compiled with, and what comes of it: of the compiler from scratch and of the one that takes changes. */
import type { CustomRules } from './custom/rules.ts'
import type { Attachment, Issue, NamespacedName, Pod } from './model.ts'
import type { Exemptions, Ruleset } from './ruleset.ts'

export interface CompileOptions {
  /** The node whose pods are compiled; undefined: those of every node. */
  readonly node: string | undefined
  /** CNI types of networks that are enforced: `--network-plugins`. */
  readonly networkPlugins: ReadonlySet<string>
  readonly exemptions: Exemptions
  readonly custom: CustomRules
  /** `--log-drops`: of all pods, whatever their namespace says. */
  readonly logDrops: boolean
  /** Attachments that are enforced by other means, such as OVN: peers all the same. None, unless given. */
  readonly elsewhere?: ((pod: Pod, attachment: Attachment) => boolean) | undefined
  /** In OVN, where what many pods have is there once: what one pod's rules come to has no limit of its own. */
  readonly isShared?: boolean
}

/** What should stand in one local pod's netns; no ruleset: nothing of ours. */
export interface PodTarget {
  readonly pod: Pod
  readonly ruleset: Ruleset | undefined
}

export interface Compilation {
  readonly targets: ReadonlyMap<NamespacedName, PodTarget>
  readonly issues: readonly Issue[]
  /** What the same policies make of a pod with other attachments than it tells of. */
  readonly rulesetOf: (pod: Pod) => Ruleset | undefined
  /** `metadata.resourceVersion` of a policy that was compiled. */
  readonly versionOf: (policy: NamespacedName) => string | undefined
}
