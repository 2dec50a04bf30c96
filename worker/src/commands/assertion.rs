//! An assertion: an expression of CEL with what can be told of it before a run.

use cel::common::ast::{CallExpr, EntryExpr, Expr, LiteralValue, SelectExpr, operators};
use cel::common::types::CelDouble;
use cel::{Context, ExecutionError, IdedExpr, Program, Value};

/// Quantiles of rewards, with their names.
pub const QUANTILES: [(&str, f64); 7] =
    [("p01", 0.01), ("p05", 0.05), ("p25", 0.25), ("p50", 0.5), ("p75", 0.75), ("p95", 0.95), ("p99", 0.99)];

/// A compiled assertion.
pub struct Assertion {
    expression: IdedExpr,
    /// The same with whole numbers as floats: CEL computes with numbers of one type alone, and figures are floats.
    in_floats: IdedExpr,
}

/// Whose quantiles an assertion speaks of.
#[derive(Debug, Default, PartialEq)]
pub struct Quantiles {
    /// Names that are known before a run, joined ones too.
    pub names: Vec<String>,
    /// Whether there are others that only the run tells.
    pub others: bool,
}

impl Assertion {
    /// Compiles a text.
    ///
    /// # Errors
    /// Where it is no CEL, in the words of the parser.
    pub fn compile(text: &str) -> Result<Self, String> {
        let program = Program::compile(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        let expression = program.expression().clone();
        let mut in_floats = expression.clone();
        to_floats(&mut in_floats);
        Ok(Self { expression, in_floats })
    }

    /// What it comes to.
    pub fn value(&self, context: &Context<'_, '_>) -> Result<Value, ExecutionError> {
        match Value::resolve(&self.expression, context) {
            Err(ExecutionError::UnsupportedBinaryOperator(..)) => Value::resolve(&self.in_floats, context),
            other => other,
        }
    }

    /// Every figure that it speaks of, with its value: `reward.mean["chrf"] = 0.5`, ...
    pub fn figures(&self, context: &Context<'_, '_>) -> String {
        let mut said: Vec<String> = Vec::new();
        each(&self.expression, &mut |part| {
            let Some(name) = spelled(part) else { return true };
            if let Ok(Value::Float(value)) = Value::resolve(part, context) {
                let words = format!("{name} = {value:.6}");
                if !said.contains(&words) {
                    said.push(words);
                }
            }
            false
        });
        said.join(", ")
    }

    /// Whose quantiles it speaks of.
    pub fn quantiles(&self) -> Quantiles {
        let mut found = Quantiles::default();
        each(&self.expression, &mut |part| {
            match &part.expr {
                Expr::Select(SelectExpr { operand, field, .. }) if is_quantile(operand) => {
                    found.names.push(field.clone())
                }
                Expr::Call(call) if indexed(call).is_some_and(|(table, _)| is_quantile(table)) => {
                    match indexed(call).and_then(|(_, key)| constant(key)) {
                        Some(name) => found.names.push(name),
                        None => found.others = true,
                    }
                }
                _ if is_quantile(part) => found.others = true,
                _ => return true,
            }
            false
        });
        found
    }
}

/// Calls `see` with an expression and, where it says so, with its parts.
fn each(expression: &IdedExpr, see: &mut impl FnMut(&IdedExpr) -> bool) {
    if !see(expression) {
        return;
    }
    match &expression.expr {
        Expr::Call(call) => call.target.iter().map(AsRef::as_ref).chain(&call.args).for_each(|part| each(part, see)),
        Expr::Comprehension(comprehension) => {
            let parts = [&comprehension.iter_range, &comprehension.accu_init, &comprehension.loop_cond];
            parts.into_iter().chain([&comprehension.loop_step, &comprehension.result]).for_each(|part| each(part, see));
        }
        Expr::List(list) => list.elements.iter().for_each(|part| each(part, see)),
        Expr::Map(map) => map.entries.iter().for_each(|entry| entry_parts(&entry.expr, see)),
        Expr::Struct(of) => of.entries.iter().for_each(|entry| entry_parts(&entry.expr, see)),
        Expr::Select(select) => each(&select.operand, see),
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
    }
}

fn entry_parts(entry: &EntryExpr, see: &mut impl FnMut(&IdedExpr) -> bool) {
    match entry {
        EntryExpr::StructField(field) => each(&field.value, see),
        EntryExpr::MapEntry(entry) => {
            each(&entry.key, see);
            each(&entry.value, see);
        }
    }
}

/// `table[key]`.
fn indexed(call: &CallExpr) -> Option<(&IdedExpr, &IdedExpr)> {
    match (call.func_name.as_str(), call.args.as_slice()) {
        (operators::INDEX, [table, key]) => Some((table, key)),
        _ => None,
    }
}

/// A text that does not depend on a run, such as `"chrf" + "#1"`.
fn constant(key: &IdedExpr) -> Option<String> {
    match Value::resolve(key, &Context::default()) {
        Ok(Value::String(text)) => Some(text.to_string()),
        _ => None,
    }
}

/// A table of quantiles, such as `reward.p05`.
fn is_quantile(expression: &IdedExpr) -> bool {
    let Expr::Select(SelectExpr { operand, field, .. }) = &expression.expr else { return false };
    matches!(&operand.expr, Expr::Ident(name) if name == "reward") && QUANTILES.iter().any(|(name, _)| name == field)
}

/// The name of a figure, where the expression is one.
fn spelled(expression: &IdedExpr) -> Option<String> {
    match &expression.expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) if !select.test => Some(format!("{}.{}", spelled(&select.operand)?, select.field)),
        Expr::Call(call) => {
            let (table, key) = indexed(call)?;
            let key = constant(key)?;
            let quote = if key.contains('"') { '\'' } else { '"' };
            Some(format!("{}[{quote}{key}{quote}]", spelled(table)?))
        }
        _ => None,
    }
}

/// Turns whole numbers into floats, but for the indices of lists.
fn to_floats(expression: &mut IdedExpr) {
    match &mut expression.expr {
        Expr::Literal(literal) => {
            let float = match &*literal {
                LiteralValue::Int(whole) => *whole.inner() as f64,
                LiteralValue::UInt(whole) => *whole.inner() as f64,
                _ => return,
            };
            *literal = LiteralValue::Double(CelDouble::from(float));
        }
        Expr::Call(call) => {
            let parts = if call.func_name == operators::INDEX { 1 } else { call.args.len() };
            call.target.iter_mut().for_each(|target| to_floats(target));
            call.args.iter_mut().take(parts).for_each(to_floats);
        }
        Expr::Comprehension(comprehension) => {
            to_floats(&mut comprehension.iter_range);
            to_floats(&mut comprehension.loop_step);
            to_floats(&mut comprehension.result);
        }
        Expr::List(list) => list.elements.iter_mut().for_each(to_floats),
        Expr::Select(select) => to_floats(&mut select.operand),
        Expr::Unspecified | Expr::Ident(_) | Expr::Map(_) | Expr::Struct(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(text: &str) -> Assertion {
        Assertion::compile(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn quantiles_are_known_by_name_before_a_run() {
        let quantiles = |text: &str| compiled(text).quantiles();
        let known =
            |names: &[&str]| Quantiles { names: names.iter().map(|&name| name.to_owned()).collect(), others: false };
        assert_eq!(quantiles(r#"reward.p05["a"] < reward.p95['a"b'] && reward.p50.c > 0"#), known(&["a", "a\"b", "c"]));
        assert_eq!(quantiles(r##"reward.p05["chrf" + "#1"] > 0.5"##), known(&["chrf#1"]));
        assert_eq!(quantiles(r#"reward.p05["a\"b"] > 0.5"#), known(&["a\"b"]));
        assert_eq!(quantiles("reward.mean['a'] > cost['p05'] && mechanism.p05 > 1"), known(&[]));
        assert!(quantiles("['a', 'b'].all(id, reward.p05[id] > 0.0)").others);
        assert!(quantiles("reward.p05.all(id, reward.p05[id] > 0.0)").others);
    }

    #[test]
    fn whole_numbers_compute_with_figures() {
        let mut context = Context::default();
        context.add_variable("x", 0.25).expect("a number");
        for holds in
            ["2 * x == 0.5", "x > 0", "1 - x > x", "4 * (x + 1) == 5", "[1, 2][1] * x == 0.5", "x * 10u == 2.5"]
        {
            assert_eq!(compiled(holds).value(&context), Ok(Value::Bool(true)), "{holds}");
        }
        assert_eq!(compiled("size([1, 2]) == 2 && 7 % 4 == 3").value(&context), Ok(Value::Bool(true)));
        assert_eq!(compiled("x > 0 && x < 1").figures(&context), "x = 0.250000");
    }
}
