/** Tools that the page offers to the agent. They run in the browser. */

/**
 * @typedef {object} Tool
 * @property {object} definition as in `session.tools`
 * @property {() => object} run returns its result
 */

/** @type {Record<string, Tool>} */
const TOOLS = {
  get_current_time: {
    definition: {
      type: "function",
      name: "get_current_time",
      description: "Get the current date, day of the week, time and time zone of the user.",
      parameters: { type: "object", properties: {} },
    },
    run: () => ({
      date: new Date().toLocaleDateString("en", { dateStyle: "full" }),
      time: new Date().toLocaleTimeString("en", { timeStyle: "short" }),
      time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    }),
  },
};

/** Definitions of all tools, as in `session.tools`. */
export const TOOL_DEFINITIONS = Object.values(TOOLS).map(({ definition }) => definition);

/**
 * Run a tool. Returns its result in JSON; the agent reads errors as well.
 * @param {string} name
 */
export function runTool(name) {
  const tool = TOOLS[name];
  return JSON.stringify(tool ? tool.run() : { error: `there is no tool ${name}` });
}
