/** A pod of this node as the incremental compiler knows it. */
import type { PodTarget } from '../compilation.ts'
import type { Governed } from '../governance.ts'
import type { Pod } from '../model.ts'
import type { PolicyRecord } from './policy-record.ts'

export interface LocalPod {
  pod: Pod
  /** As last worked out. */
  governed: Governed<PolicyRecord>
  /** Which policies govern it may be otherwise now. */
  toBeGoverned: boolean
  target: PodTarget
}
