// A voice app in React, with @openai/agents-realtime over WebRTC. The SDK plays the agent and hears the microphone.
//
//   ANTIPHON_SERVER__ALLOWED_ORIGINS=http://localhost:9000 antiphon serve
//   npm install && npm run dev

import { RealtimeAgent, RealtimeSession, tool } from "@openai/agents-realtime";
import { StrictMode, useEffect, useRef, useState } from "react";
import { createRoot } from "react-dom/client";
import { z } from "zod";

const query = new URLSearchParams(location.search);
const SERVER = query.get("server") ?? "http://localhost:8000";
// Makes ephemeral keys. If the server requires an API key, this is your own backend: a page must not hold that key.
const KEYS = query.get("keys") ?? `${SERVER}/v1/realtime/client_secrets`;

const getTime = tool({
  name: "get_time",
  description: "The local time.",
  parameters: z.object({}),
  execute: () => new Date().toLocaleTimeString(),
});

const assistant = new RealtimeAgent({
  name: "Assistant",
  instructions: "Answer in one or two short sentences.",
  tools: [getTime],
});

/** One conversation, from `start` to `stop`: `messages` is what both sides said so far. */
function useConversation() {
  const session = useRef(null);
  const [status, setStatus] = useState("idle");
  const [messages, setMessages] = useState([]);
  const [problem, setProblem] = useState("");

  const stop = () => {
    session.current?.close();
    session.current = null;
    setStatus("idle");
  };

  const start = async () => {
    setStatus("connecting");
    setProblem("");
    const started = new RealtimeSession(assistant, { transport: "webrtc", model: "antiphon" });
    started.on("history_updated", (history) => setMessages(history.filter(({ type }) => type === "message")));
    started.on("error", ({ error }) => setProblem(error?.error?.message ?? error?.message ?? String(error)));
    session.current = started;
    try {
      const { value: apiKey } = await (await fetch(KEYS, { method: "POST" })).json();
      await started.connect({ apiKey, url: `${SERVER}/v1/realtime/calls` });
      setStatus("talking");
    } catch (error) {
      stop();
      setProblem(error.message);
    }
  };

  useEffect(() => () => session.current?.close(), []);
  return { status, messages, problem, start, stop };
}

function Conversation() {
  const { status, messages, problem, start, stop } = useConversation();
  return (
    <>
      <h1>Talk to Antiphon</h1>
      <button type="button" disabled={status === "connecting"} onClick={status === "talking" ? stop : start}>
        {status === "talking" ? "Hang up" : "Talk"}
      </button>
      {problem && <p role="alert">{problem}</p>}
      <ol aria-live="polite">
        {messages.map(({ itemId, role, content }) => (
          <li key={itemId} className={role}>
            {content.map(({ text, transcript }) => text ?? transcript).join("")}
          </li>
        ))}
      </ol>
    </>
  );
}

createRoot(document.getElementById("root")).render(
  <StrictMode>
    <Conversation />
  </StrictMode>,
);
