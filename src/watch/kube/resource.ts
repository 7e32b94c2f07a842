/**
 * Which objects of the API are wanted, and the Accept headers and queries that ask for them.
 */
import { withoutManagedFields } from './managed-fields.ts'

export interface Resource {
  /** Such as `/api/v1/pods` or `/apis/k8s.cni.cncf.io/v1beta1/multi-networkpolicies`. */
  readonly path: string
  /** Of one object, such as `Pod`. */
  readonly kind: string
  readonly fieldSelector?: string | undefined
  readonly labelSelector?: string | undefined
  /** The form to ask for, such as {@link metadataOnly}; plain JSON unless told. */
  readonly accept?: string | undefined
}

/** Metadata only, which is all that most remote pods are needed for: the server leaves out spec and status. */
export const metadataOnly = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1'

/** Leaves out of an object's text what nobody reads of it. */
export function shortenerOf(resource: Resource): (text: string) => string {
  return resource.accept === metadataOnly ? withoutManagedFields : (text) => text
}

/** The API wants the list form named in a list's Accept header, and the object's form in a watch's. */
export function acceptOf(resource: Resource, verb: 'list' | 'watch'): string {
  const accept = resource.accept ?? 'application/json'
  return verb === 'list' ? accept.replace(/;as=PartialObjectMetadata(?=;|,|$)/, '$&List') : accept
}

/** The part of the query that list and watch share. */
export function selectorsOf(resource: Resource): Record<string, string> {
  const { fieldSelector, labelSelector } = resource
  return { ...(fieldSelector && { fieldSelector }), ...(labelSelector && { labelSelector }) }
}
