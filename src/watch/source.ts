/** What every source of cluster state tells, whether it is the Kubernetes API or a directory of manifests. */
import type { ClusterChange } from '../compile/cluster.ts'
import type { Issue } from '../compile/model.ts'

export type SourceEvent =
  | ClusterChange
  /** All that is wrong with the source's own input now, such as a file that does not parse; replaces what was said before. */
  | {
      readonly kind: 'issues'
      readonly issues: readonly Issue[]
      /** Something that the source holds could never be read yet: what is missing may be there all the same. */
      readonly incomplete?: boolean
    }
  /**
   * The source is out of reach; what it told before holds. Said once for each reason, not for each retry; the reason
   * names the resource itself.
   */
  | { readonly kind: 'failing'; readonly what: string; readonly reason: string }
  | { readonly kind: 'recovered'; readonly what: string }

/** Events that belong together: whoever computes from them does so once for all. Ends when its signal aborts. */
export type Source = AsyncIterable<readonly SourceEvent[]>
