//! From messages to the text that a chat model was trained on.

use minijinja::{Environment, ErrorKind, UndefinedBehavior, context, filters, functions};
use serde::{Deserialize, Serialize};

use crate::error::{ModelError, shorten};

/// Steps that a template may take: a loop that never ends is an error, not a hang.
const FUEL: u64 = 1_000_000;

const TEMPLATE: &str = "chat_template";

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks: `system`, `user` or `assistant`, as far as the model's template knows them.
    pub role: String,
    /// What is said. Names of control tokens in it, such as `<|im_end|>`, act as these tokens.
    pub content: String,
}

/// A model's own chat template (Jinja), as in its file's metadata.
pub(super) struct ChatTemplate {
    environment: Environment<'static>,
}

impl ChatTemplate {
    pub(super) fn new(source: &str) -> Result<Self, ModelError> {
        let mut environment = language();
        // What the Python library sets for these templates.
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_undefined_behavior(UndefinedBehavior::Lenient);
        environment.set_fuel(Some(FUEL));
        environment.add_function("raise_exception", |message: String| -> Result<String, minijinja::Error> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
        });
        environment.add_template_owned(TEMPLATE, source.to_owned()).map_err(fault)?;
        Ok(Self { environment })
    }

    /// The messages as text, up to where the model's answer begins.
    pub(super) fn render(&self, messages: &[Message], bos: &str, eos: &str) -> Result<String, ModelError> {
        if messages.is_empty() {
            return Err(ModelError::argument("messages", "empty", "at least one message"));
        }
        let template = self.environment.get_template(TEMPLATE).map_err(fault)?;
        template
            .render(context! { messages, add_generation_prompt => true, bos_token => bos, eos_token => eos })
            .map_err(fault)
    }
}

/// What chat templates use of the language; a page would carry the rest of it in vain.
fn language() -> Environment<'static> {
    let mut language = Environment::empty();
    language.add_filter("count", filters::length);
    language.add_filter("d", filters::default);
    language.add_filter("default", filters::default);
    language.add_filter("first", filters::first);
    language.add_filter("int", filters::int);
    language.add_filter("items", filters::items);
    language.add_filter("join", filters::join);
    language.add_filter("last", filters::last);
    language.add_filter("length", filters::length);
    language.add_filter("list", filters::list);
    language.add_filter("lower", filters::lower);
    language.add_filter("map", filters::map);
    language.add_filter("rejectattr", filters::rejectattr);
    language.add_filter("replace", filters::replace);
    language.add_filter("reverse", filters::reverse);
    language.add_filter("safe", filters::safe);
    language.add_filter("selectattr", filters::selectattr);
    language.add_filter("string", filters::string);
    language.add_filter("trim", filters::trim);
    language.add_filter("upper", filters::upper);
    language.add_test("boolean", minijinja::tests::is_boolean);
    language.add_test("defined", minijinja::tests::is_defined);
    language.add_test("eq", minijinja::tests::is_eq);
    language.add_test("equalto", minijinja::tests::is_eq);
    language.add_test("even", minijinja::tests::is_even);
    language.add_test("false", minijinja::tests::is_false);
    language.add_test("in", minijinja::tests::is_in);
    language.add_test("iterable", minijinja::tests::is_iterable);
    language.add_test("mapping", minijinja::tests::is_mapping);
    language.add_test("ne", minijinja::tests::is_ne);
    language.add_test("none", minijinja::tests::is_none);
    language.add_test("number", minijinja::tests::is_number);
    language.add_test("odd", minijinja::tests::is_odd);
    language.add_test("sequence", minijinja::tests::is_sequence);
    language.add_test("string", minijinja::tests::is_string);
    language.add_test("true", minijinja::tests::is_true);
    language.add_test("undefined", minijinja::tests::is_undefined);
    language.add_function("namespace", functions::namespace);
    language.add_function("range", functions::range);
    language
}

fn fault(error: minijinja::Error) -> ModelError {
    ModelError::ChatTemplate(shorten(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As in SmolLM2's metadata.
    const SMOLLM2: &str = "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

    fn message(role: &str, content: &str) -> Message {
        Message { role: role.to_owned(), content: content.to_owned() }
    }

    #[test]
    fn a_default_system_message_is_put_in_where_none_is_given() -> Result<(), ModelError> {
        let template = ChatTemplate::new(SMOLLM2)?;
        assert_eq!(
            template.render(&[message("user", "1 < 2 & \"x\"?")], "", "")?,
            "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n\
             <|im_start|>user\n1 < 2 & \"x\"?<|im_end|>\n<|im_start|>assistant\n"
        );
        assert_eq!(
            template.render(&[message("system", "Be brief."), message("user", "Hi")], "", "")?,
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
        );
        Ok(())
    }

    /// In the manner of templates that want users and assistants in turn, and that keep what they found.
    #[test]
    fn templates_count_choose_and_keep() -> Result<(), ModelError> {
        let text = "{% set found = namespace(system='') %}\
                    {% for message in messages | selectattr('role', 'equalto', 'system') %}\
                    {% set found.system = message.content | trim %}{% endfor %}\
                    {% if tools is defined and tools is not none %}{{ raise_exception('no tools') }}{% endif %}\
                    {% for message in messages %}{% if loop.index0 is even %}{{ found.system | upper }}:{% endif %}\
                    {{ message.role | replace('user', 'U') }}/{% endfor %}\
                    {{ messages | map(attribute='content') | join('+') }}, {{ messages | length }} of {{ range(9) | last }}";
        let messages = [message("user", "a"), message("system", " x "), message("user", "b")];
        assert_eq!(ChatTemplate::new(text)?.render(&messages, "", "")?, "X:U/system/X:U/a+ x +b, 3 of 8");
        Ok(())
    }

    #[test]
    fn a_hostile_template_is_an_error() -> Result<(), ModelError> {
        let text = "{% for a in range(10000) %}{% for b in range(10000) %}{% endfor %}{% endfor %}";
        let endless = ChatTemplate::new(text)?.render(&[message("user", "")], "", "");
        assert!(matches!(endless, Err(ModelError::ChatTemplate(_))), "{endless:?}");
        assert!(matches!(ChatTemplate::new("{% for %}"), Err(ModelError::ChatTemplate(_))));
        let refusing = ChatTemplate::new("{{ raise_exception('no system') }}")?.render(&[message("user", "")], "", "");
        assert!(refusing.is_err_and(|error| error.to_string().contains("no system")));
        Ok(())
    }
}
