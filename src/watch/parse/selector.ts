/** `LabelSelector` at the edge: valid as a whole, or it matches nothing and an Issue says why (semantics.md, P7). */
import { NOTHING, type Requirement, type Selector } from '../../compile/selector.ts'
import { isSubdomain } from './metadata.ts'
import { isObject, own, type Report, shorten } from './report.ts'

/** Parses a selector that is there; an absent one is the caller's business. */
export function parseSelector(report: Report, field: string, raw: unknown): Selector {
  if (!isObject(raw)) {
    report.add(field, raw, 'expected a label selector; it matches nothing')
    return NOTHING
  }
  const labels = parseMatchLabels(report, `${field}.matchLabels`, own(raw, 'matchLabels'))
  const expressions = parseMatchExpressions(report, `${field}.matchExpressions`, own(raw, 'matchExpressions'))
  if (labels === undefined || expressions === undefined) return NOTHING
  return { kind: 'labels', requirements: [...labels, ...expressions] }
}

/** How many labels, expressions and values it has. */
export function termsOf(raw: unknown): number {
  if (!isObject(raw)) return 0
  const [labels, expressions] = [own(raw, 'matchLabels'), own(raw, 'matchExpressions')]
  const all: readonly unknown[] = Array.isArray(expressions) ? expressions : []
  const values = all.map((each) => (isObject(each) ? own(each, 'values') : undefined))
  const sizes = values.map((each) => (Array.isArray(each) ? each.length : 0))
  return sizes.reduce(
    (sum, size) => sum + size,
    all.length + (isObject(labels) ? Object.keys(labels).length : 0),
  )
}

function parseMatchLabels(report: Report, field: string, raw: unknown): readonly Requirement[] | undefined {
  if (raw === undefined || raw === null) return []
  if (!isObject(raw)) return report.add(field, raw, 'expected a map of text; the selector matches nothing')
  if (!report.affords(field, Object.keys(raw).length)) return undefined
  const requirements: Requirement[] = []
  for (const [key, value] of Object.entries(raw)) {
    if (typeof value !== 'string') {
      return report.add(`${field}[${key}]`, value, 'expected text; the selector matches nothing')
    }
    const problem = labelProblem(key, [value])
    if (problem !== undefined)
      return report.add(`${field}[${key}]`, value, `${problem}; the selector matches nothing`)
    requirements.push({ kind: 'in', key, values: new Set([value]) })
  }
  return requirements
}

function parseMatchExpressions(
  report: Report,
  field: string,
  raw: unknown,
): readonly Requirement[] | undefined {
  const list = report.parts(field, raw)
  if (list === undefined) return undefined
  const requirements: Requirement[] = []
  for (const [index, expression] of list.entries()) {
    const requirement = parseExpression(report, `${field}[${index}]`, expression)
    if (requirement === undefined) return undefined
    requirements.push(requirement)
  }
  return requirements
}

function parseExpression(report: Report, field: string, raw: unknown): Requirement | undefined {
  const key = isObject(raw) ? own(raw, 'key') : undefined
  if (!isObject(raw) || typeof key !== 'string' || key === '') {
    return report.add(field, raw, 'expected key, operator and values; the selector matches nothing')
  }
  const operator = own(raw, 'operator')
  const values = report.parts(`${field}.values`, own(raw, 'values'))
  if (values === undefined) return undefined
  if (!values.every((value) => typeof value === 'string')) {
    return report.add(`${field}.values`, values, 'expected a list of text; the selector matches nothing')
  }
  const problem = labelProblem(key, values)
  if (problem !== undefined) return report.add(field, raw, `${problem}; the selector matches nothing`)
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length === 0)
      return report.add(`${field}.values`, values, `${operator} needs values; the selector matches nothing`)
    return { kind: operator === 'In' ? 'in' : 'not-in', key, values: new Set(values) }
  }
  if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (values.length > 0)
      return report.add(
        `${field}.values`,
        values,
        `${operator} takes no values; the selector matches nothing`,
      )
    return { kind: operator === 'Exists' ? 'exists' : 'absent', key }
  }
  return report.add(
    `${field}.operator`,
    operator,
    'expected In, NotIn, Exists or DoesNotExist; the selector matches nothing',
  )
}

/** What Kubernetes refuses as a label (apimachinery's validation of qualified names and label values). */
function labelProblem(key: string, values: readonly string[]): string | undefined {
  const [name = '', prefix, ...others] = key.split('/').reverse()
  const named = name.length <= 63 && LABEL_WORD.test(name) && others.length === 0
  if (!named || (prefix !== undefined && !isSubdomain(prefix)))
    return 'expected a label key such as app or example.org/app'
  const wrong = values.find((value) => value !== '' && (value.length > 63 || !LABEL_WORD.test(value)))
  return wrong === undefined
    ? undefined
    : `${JSON.stringify(shorten(wrong))} is no value that a label can have`
}

const LABEL_WORD = /^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$/
