/** `NAME` or `NAMESPACE/NAME`, as `policy-for` and `network-status` name a NetworkAttachmentDefinition. */
import type { NamespacedName } from '../../compile/model.ts'
import { isLabel, isSubdomain } from './metadata.ts'

/** Undefined where the text is neither; a bare name is in `namespace`. */
export function parseNetworkName(text: string, namespace: string): NamespacedName | undefined {
  const parts = text.split('/').map((part) => part.trim())
  const [first, second, ...others] = parts
  if (others.length > 0 || first === undefined) return undefined
  if (second === undefined) return isSubdomain(first) ? `${namespace}/${first}` : undefined
  return isLabel(first) && isSubdomain(second) ? `${first}/${second}` : undefined
}
