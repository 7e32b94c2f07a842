/**
 * Label selectors: `LabelSelector` of k8s.io/apimachinery's meta/v1, parsed and ready to match.
 * A selector that is not valid matches nothing (semantics.md, P7), which is a kind of its own: nothing can
 * mistake it for the empty selector, which matches all.
 */

export type Labels = ReadonlyMap<string, string>

export type Requirement =
  | { readonly kind: 'in'; readonly key: string; readonly values: ReadonlySet<string> }
  | { readonly kind: 'not-in'; readonly key: string; readonly values: ReadonlySet<string> }
  | { readonly kind: 'exists'; readonly key: string }
  | { readonly kind: 'absent'; readonly key: string }

export type Selector =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'labels'; readonly requirements: readonly Requirement[] }

export const NOTHING: Selector = { kind: 'nothing' }
export const EVERYTHING: Selector = { kind: 'labels', requirements: [] }

export function matches(selector: Selector, labels: Labels): boolean {
  if (selector.kind === 'nothing') return false
  return selector.requirements.every((requirement) => satisfies(requirement, labels))
}

/** Selectors with the same text match the same labels. */
export function selectorText(selector: Selector): string {
  if (selector.kind === 'nothing') return 'nothing'
  return JSON.stringify([...new Set(selector.requirements.map(requirementText))].sort())
}

function requirementText(requirement: Requirement): string {
  const { kind, key } = requirement
  return JSON.stringify(
    'values' in requirement ? [kind, key, ...[...requirement.values].sort()] : [kind, key],
  )
}

function satisfies(requirement: Requirement, labels: Labels): boolean {
  const value = labels.get(requirement.key)
  switch (requirement.kind) {
    case 'in':
      return value !== undefined && requirement.values.has(value)
    case 'not-in':
      return value === undefined || !requirement.values.has(value)
    case 'exists':
      return value !== undefined
    case 'absent':
      return value === undefined
    default:
      return requirement satisfies never
  }
}
