/** The text of a device's label, from the order's own words. */

const PLACEHOLDERS = ['guid', 'serial', 'model', 'order', 'number'] as const
export type LabelFacts = Readonly<Record<(typeof PLACEHOLDERS)[number], string>>

export const DEFAULT_LABEL = '{model} {serial} {guid}'

const PLACEHOLDER = /\{([^{}]*)\}/g

/** The first placeholder that stands for nothing. */
export function findStrayPlaceholder(template: string): string | undefined {
  for (const [text, name] of template.matchAll(PLACEHOLDER)) {
    if (!PLACEHOLDERS.some((one) => one === name)) return text
  }
  return undefined
}

export function labelText(template: string, facts: LabelFacts): string {
  return template.replaceAll(PLACEHOLDER, (_, name: keyof LabelFacts) => facts[name])
}
